package gitea

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Label is what jobs ask for with `runs-on` to run here.
const Label = "host"

// StartRunner starts the server's runner of Actions, which takes jobs for
// [Label] and runs them on this machine: as the user of this process, with its
// environment, without containers. What env names ("NAME=value") is added. It
// stops with the server.
//
// Nothing is fetched from elsewhere: a step with `uses: OWNER/NAME@REF` is looked
// for on this server, so workflows check out with git themselves.
func (s *Server) StartRunner(ctx context.Context, env ...string) error {
	if s.runner != nil {
		return errors.New("the server has a runner already")
	}
	binary, err := installed("gitea-runner", RunnerVersion)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.path("runner", "work"), 0o700); err != nil {
		return err
	}
	// YAML takes JSON.
	config, err := json.Marshal(map[string]any{
		"log": map[string]any{"level": "info"},
		"runner": map[string]any{
			"file": s.path("runner", "registration"), "labels": []string{Label + ":host"}, "capacity": 2,
			"fetch_interval": "200ms", "fetch_interval_max": "200ms", "log_report_interval": "1s", "log_report_max_latency": "500ms", "state_report_interval": "1s",
		},
		"cache": map[string]any{"enabled": false},
		"host":  map[string]any{"workdir_parent": s.path("runner", "work")},
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path("runner", "config.yaml"), config, 0o600); err != nil {
		return err
	}
	command := func(arg string) *exec.Cmd {
		cmd := exec.Command(binary, "--config", s.path("runner", "config.yaml"), arg) //nolint:gosec,noctx // ours; stopped by Stop
		cmd.Dir = s.path("runner")
		cmd.Env = append(os.Environ(), env...)
		cmd.SysProcAttr = owner{}.attributes()
		return cmd
	}
	if err := s.register(ctx, command("register")); err != nil {
		return fmt.Errorf("registering the runner: %w", err)
	}
	s.runner, err = s.run(command("daemon"))
	return err
}

// register answers the questions of the runner's registration: the address, a
// token that is good for that alone, a name.
func (s *Server) register(ctx context.Context, cmd *exec.Cmd) error {
	var token struct{ Token string }
	if err := s.Call(ctx, http.MethodPost, "/admin/actions/runners/registration-token", nil, &token); err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(s.url + "\n" + token.Token + "\ntest\n")
	p, err := s.run(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.stop()
		return context.Cause(ctx)
	}
	if _, err := os.Stat(s.path("runner", "registration")); err != nil {
		return fmt.Errorf("it ended unregistered (%w); the log ends with:\n%s", p.err, s.logEnd())
	}
	return nil
}

// Job is a job of a workflow's run that has ended.
type Job struct {
	// Workflow is the file's name, and Ref what was pushed: "refs/tags/v1.0.0".
	Workflow, Ref, Name string
	// Conclusion is "success", "failure", "cancelled" or "skipped".
	Conclusion string
	Log        string
}

// Jobs waits until every run for a commit of a repository of [Admin]'s has
// ended, of which there must be so many, and gives their jobs.
func (s *Server) Jobs(ctx context.Context, name, commit string, runs int) ([]Job, error) {
	path := "/repos/" + Admin + "/" + name + "/actions/"
	for {
		var list struct {
			Runs []struct {
				ID           int64
				Path, Status string
			} `json:"workflow_runs"`
		}
		if err := s.Call(ctx, http.MethodGet, path+"runs?head_sha="+commit, nil, &list); err != nil {
			return nil, err
		}
		var out []Job
		ended := 0
		for _, r := range list.Runs {
			if r.Status != "completed" {
				continue
			}
			ended++
			jobs, err := s.jobs(ctx, path, r.ID, r.Path)
			if err != nil {
				return nil, err
			}
			out = append(out, jobs...)
		}
		if ended >= runs && ended == len(list.Runs) {
			return out, nil
		}
		select {
		case <-s.process.done:
			return nil, fmt.Errorf("the server ended; the log ends with:\n%s", s.logEnd())
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d runs have ended (%w); the log ends with:\n%s", ended, max(runs, len(list.Runs)), context.Cause(ctx), s.logEnd())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (s *Server) jobs(ctx context.Context, path string, run int64, workflow string) ([]Job, error) {
	var list struct {
		Jobs []struct {
			ID               int64
			Name, Conclusion string
		}
	}
	if err := s.Call(ctx, http.MethodGet, fmt.Sprintf("%sruns/%d/jobs", path, run), nil, &list); err != nil {
		return nil, err
	}
	var out []Job
	for _, j := range list.Jobs {
		file, ref, _ := strings.Cut(workflow, "@")
		text, err := s.send(ctx, http.MethodGet, fmt.Sprintf("%s/api/v1%sjobs/%d/logs", s.url, path, j.ID), "token "+s.admin.token, nil)
		if err != nil && j.Conclusion != "skipped" && j.Conclusion != "cancelled" {
			return nil, err
		}
		out = append(out, Job{Workflow: file, Ref: ref, Name: j.Name, Conclusion: j.Conclusion, Log: string(text)})
	}
	return out, nil
}
