package gate

import (
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

func TestCI(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	at := func(minute int) time.Time { return time.Date(2024, 5, 6, 7, minute, 0, 0, time.UTC) }
	good := func(name string, minute int) WorkflowRun {
		return WorkflowRun{name, "completed", "success", "https://ci/" + name, at(minute)}
	}
	const next = "; push the commit where it is not pushed, wait for what runs, mend what failed, and try again"
	tests := map[string]struct {
		required []string
		runs     []WorkflowRun
		want     decide.Gate
	}{
		"none required": {nil, []WorkflowRun{{"CI", "completed", "failure", "u", at(1)}},
			decide.Gate{State: decide.Pass, Detail: "none required"}},
		"all succeeded": {[]string{"CI", "Lint"}, []WorkflowRun{good("Lint", 1), good("CI", 2), {"Other", "completed", "failure", "u", at(3)}},
			decide.Gate{State: decide.Pass, Evidence: "https://ci/CI https://ci/Lint", Detail: "CI, Lint succeeded for commit 0123456789ab"}},
		"the latest counts, wherever it stands": {[]string{"CI"}, []WorkflowRun{{"CI", "completed", "failure", "old", at(1)}, good("CI", 2), {"CI", "queued", "", "older", at(0)}},
			decide.Gate{State: decide.Pass, Evidence: "https://ci/CI", Detail: "CI succeeded for commit 0123456789ab"}},
		"it succeeded once": {[]string{"CI"}, []WorkflowRun{good("CI", 1), {"CI", "completed", "cancelled", "https://ci/2", at(2)}},
			decide.Gate{State: decide.Fail, Evidence: "https://ci/2", Detail: `CI must have succeeded for commit 0123456789ab, but "CI" ended with cancelled (https://ci/2)` + next}},
		"in one second, the first listed": {[]string{"CI"}, []WorkflowRun{{"CI", "completed", "failure", "", at(1)}, good("CI", 1)},
			decide.Gate{State: decide.Fail, Detail: `CI must have succeeded for commit 0123456789ab, but "CI" ended with failure` + next}},
		"everything at once": {[]string{"CI", "ci", "Lint", "Unit", "Mute", "Dumb"}, []WorkflowRun{{"CI", "in_progress", "", "https://ci/1", at(1)}, {"Lint", "completed", "failure", "https://ci/2", at(1)}, good("Unit", 1), {"Mute", "completed", "", "", at(1)}, {"Dumb", "", "", "", at(1)}},
			decide.Gate{State: decide.Fail, Evidence: "https://ci/1 https://ci/2 https://ci/Unit",
				Detail: `CI, ci, Lint, Unit, Mute, Dumb must have succeeded for commit 0123456789ab, but "CI" is in_progress (https://ci/1), "ci" has no run, "Lint" ended with failure (https://ci/2), "Mute" ended with no conclusion, "Dumb" is in an unknown state` +
					" (the forge's runs for this commit are those of CI, Dumb, Lint, Mute, Unit)" + next}},
		"no run at all": {[]string{"CI"}, nil,
			decide.Gate{State: decide.Fail, Detail: `CI must have succeeded for commit 0123456789ab, but "CI" has no run (the forge's runs for this commit are none of any workflow)` + next}},
		"a run that is not over has no success": {[]string{"CI"}, []WorkflowRun{{"CI", "in_progress", "success", "", at(1)}},
			decide.Gate{State: decide.Fail, Detail: `CI must have succeeded for commit 0123456789ab, but "CI" is in_progress` + next}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.want.Name = "ci"
			got := CI(tt.required, commit, tt.runs)
			if got != tt.want {
				t.Errorf("got\n%+v, want\n%+v", got, tt.want)
			}
			if strings.Contains(got.Detail, "\n") {
				t.Errorf("the detail is no sentence: %q", got.Detail)
			}
		})
	}
}
