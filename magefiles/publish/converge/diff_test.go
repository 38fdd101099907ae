package converge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// random makes a state that an interrupted run, or several, may leave.
func random(r *rand.Rand, want Desired, others []v1.Hash) State {
	s := State{
		Manifests: map[v1.Hash]bool{}, Blobs: map[v1.Hash]bool{}, Tags: map[string]v1.Hash{},
		Unlisted: map[v1.Hash][]v1.Descriptor{}, Untagged: map[string]bool{}, Edge: map[string]Position{},
	}
	maybe := func() bool { return r.IntN(2) == 0 }
	for _, m := range want.Manifests {
		s.Manifests[m.Digest] = maybe()
		for _, b := range m.Blobs {
			s.Blobs[b.Digest] = s.Blobs[b.Digest] || s.Manifests[m.Digest] || maybe()
		}
	}
	subjects, referrers := want.subjects()
	for _, h := range subjects {
		if maybe() {
			s.Unlisted[h] = referrers[h]
		}
	}
	for _, tag := range want.Immutable {
		if maybe() {
			s.Tags[tag] = want.Image
		}
	}
	for _, tag := range want.Forward {
		if maybe() {
			s.Tags[tag] = others[r.IntN(len(others))]
			s.Edge[tag] = Position{Commit: commit("a"), Behind: maybe()}
		}
	}
	for i, text := range []string{"0.1.0", "0.1.1", "0.2.0", "1.0.0", "1.0.1"} {
		if maybe() {
			v, err := decide.ParseVersion(text)
			if err != nil {
				panic(err)
			}
			s.Published = append(s.Published, v)
			if _, mine := s.Tags[text]; !mine {
				s.Tags[text] = others[i%len(others)]
			}
		}
	}
	if slices.Contains(want.Immutable, "0.3.0") && s.Tags["0.3.0"] == want.Image {
		s.Published = append(s.Published, want.Version)
	}
	for _, alias := range []string{"0", "1", "0.1", "0.2", "0.3", "1.0", "latest"} {
		if maybe() {
			s.Tags[alias] = others[r.IntN(len(others))]
		}
	}
	if want.Release != nil && maybe() {
		found := *want.Release
		found.Draft = maybe()
		found.Assets = nil
		for _, a := range want.Release.Assets {
			if !found.Draft || maybe() {
				found.Assets = append(found.Assets, a)
			}
		}
		if found.Draft && maybe() {
			found.Assets = append(found.Assets, forge.Asset{Name: "stray"})
		}
		s.Release = &found
	}
	for _, v := range s.Published {
		if r.IntN(4) == 0 {
			s.Withdrawn = append(s.Withdrawn, v)
		}
	}
	s.OwnLatest = r.IntN(4) == 0
	s.Latest, s.LatestPublic = []string{"", "v0.1.0", "v0.3.0"}[r.IntN(3)], maybe()
	return s
}

// TestOrder holds what must be true of every difference against thousands of
// states.
func TestOrder(t *testing.T) {
	hash := func(s string) v1.Hash { h, _, _ := v1.SHA256(strings.NewReader(s)); return h }
	others := []v1.Hash{hash("one"), hash("two"), hash("three")}
	for _, m := range []made{
		build(t, source{ref: "v0.3.0", commit: commit("b")}),
		build(t, source{ref: "v0.3.0-rc.1", commit: commit("b")}),
		build(t, source{ref: "main", commit: commit("b")}),
	} {
		r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same states each time
		for i := range 3000 {
			have := random(r, m.want, others)
			actions, err := Diff(m.want, have)
			ok(t, err)
			again, err := Diff(m.want, have)
			ok(t, err)
			if !slices.Equal(lines(actions), lines(again)) {
				t.Fatalf("state %d: two looks differ", i)
			}
			if err := inOrder(m.want, have, actions); err != nil {
				t.Fatalf("%s, state %d: %v\n%q", m.Plan.Ref.Name, i, err, lines(actions))
			}
		}
	}
}

func inOrder(want Desired, have State, actions []Action) error {
	var (
		blobs        = map[v1.Hash]bool{}
		manifests    = map[v1.Hash]bool{}
		verified     = map[v1.Hash]bool{}
		read, moved  bool
		assets       = map[string]bool{}
		rank         = -1
		wantedBefore = func(h v1.Hash) bool { return have.Manifests[h] || manifests[h] }
	)
	if have.Release != nil {
		for _, a := range have.Release.Assets {
			assets[a.Name] = true
		}
	}
	for _, a := range actions {
		if a.rank() < rank {
			return fmt.Errorf("%s comes too late", a)
		}
		rank = a.rank()
		switch a := a.(type) {
		case SendBlob:
			if blobs[a.Blob.Digest] || have.Blobs[a.Blob.Digest] {
				return fmt.Errorf("%s: it is there", a)
			}
			blobs[a.Blob.Digest] = true
		case PutManifest:
			for _, b := range a.Manifest.Blobs {
				if !blobs[b.Digest] && !have.Blobs[b.Digest] {
					return fmt.Errorf("%s before its blob %s", a, b.Digest)
				}
			}
			if s := a.Manifest.Subject; s != nil && !wantedBefore(*s) {
				return fmt.Errorf("%s before its subject", a)
			}
			manifests[a.Manifest.Digest] = true
		case ReadBack:
			for _, m := range want.Manifests {
				if !wantedBefore(m.Digest) {
					return fmt.Errorf("%s before %s", a, m.Digest)
				}
			}
			read = true
		case Verify:
			if a.Digest == want.Image && !read {
				return fmt.Errorf("%s before it was read back", a)
			}
			verified[a.Digest] = true
		case CreateTag:
			if !verified[want.Image] {
				return fmt.Errorf("%s before it was verified", a)
			}
		case SetLatest:
			if have.OwnLatest {
				return fmt.Errorf("%s on a forge that chooses by itself", a)
			}
		case UploadAsset:
			assets[a.Asset.Name] = true
		case DropAsset:
			delete(assets, a.Name)
		case PublishRelease:
			if len(assets) != len(want.Release.Assets) || !verified[want.Image] {
				return fmt.Errorf("%s with assets %v", a, assets)
			}
		case MoveTag:
			if !verified[a.To] {
				return fmt.Errorf("%s before that was verified", a)
			}
			if moved {
				return fmt.Errorf("%s after latest", a)
			}
			if among(have.Withdrawn, a.Version) && !a.Version.IsZero() {
				return fmt.Errorf("%s, which is withdrawn", a)
			}
			if want.Channel == decide.Candidate || (want.Channel == decide.Edge && (a.Tag == "latest" || a.Tag == "0")) {
				return fmt.Errorf("%s by a %s", a, want.Channel)
			}
			moved = a.Tag == decide.Latest
			if have.Edge[a.Tag] != (Position{}) && !have.Edge[a.Tag].Behind && have.Tags[a.Tag] != (v1.Hash{}) {
				return fmt.Errorf("%s, which goes back", a)
			}
		}
	}
	return nil
}

// TestRolledBack says what a roll-back does to registry and forge, state by
// state. Digests are the versions' names, tags are written tag=version.
func TestRolledBack(t *testing.T) {
	hash := func(s string) v1.Hash { h, _, _ := v1.SHA256(strings.NewReader(s)); return h }
	statement := Manifest{Digest: hash("statement"), Proof: true, What: "statement"}
	banner := func(notes string) string { return "!" + strings.TrimPrefix(notes, "!") }
	for _, tt := range []struct {
		name                string
		withdraw, restore   string
		published, tags     string
		known               string
		latest              string
		public, own, stands bool
		notes               map[string]string
		want, says          string
	}{
		{
			name: "the highest", withdraw: "0.2.0", published: "0.1.0 0.1.1 0.2.0",
			tags: "0.1=0.1.1 0.2=0.2.0 0=0.2.0 latest=0.2.0", latest: "v0.2.0", public: true, notes: map[string]string{"v0.2.0": "n"},
			want: "verify 0.1.1, put, read, confirm 0.2.0, latest 0.2.0>0.1.1, 0 0.2.0>0.1.1, show v0.1.1, amend v0.2.0 !n, skip tag 0.2 stays",
		},
		{
			name: "again", withdraw: "0.2.0", stands: true, published: "0.1.0 0.1.1 0.2.0", known: "0.2.0",
			tags: "0.1=0.1.1 0.2=0.2.0 0=0.1.1 latest=0.1.1", latest: "v0.1.1", public: true, notes: map[string]string{"v0.2.0": "!n"},
			want: "skip tag 0.2 stays",
		},
		{
			name: "died after the statement", withdraw: "0.2.0", stands: true, published: "0.1.1 0.2.0",
			tags: "0.1=0.1.1 0.2=0.2.0 0=0.2.0 latest=0.2.0", latest: "v0.2.0", public: true, notes: map[string]string{"v0.2.0": "n"},
			want: "verify 0.1.1, confirm 0.2.0, latest 0.2.0>0.1.1, 0 0.2.0>0.1.1, show v0.1.1, amend v0.2.0 !n, skip tag 0.2 stays",
		},
		{
			name: "several majors", withdraw: "1.1.0", published: "0.9.0 1.0.0 1.0.1 1.1.0",
			tags: "0.9=0.9.0 0=0.9.0 1.0=1.0.1 1.1=1.1.0 1=1.1.0 latest=1.1.0", latest: "v1.1.0", public: true,
			want: "verify 1.0.1, put, read, confirm 1.1.0, latest 1.1.0>1.0.1, 1 1.1.0>1.0.1, show v1.0.1, skip tag 1.1 stays, skip the notes of release v1.1.0 stay",
		},
		{
			name: "the last of a line", withdraw: "0.2.1", published: "0.2.0 0.2.1 0.3.0",
			tags: "0.2=0.2.1 0.3=0.3.0 0=0.3.0 latest=0.3.0", latest: "v0.3.0", public: true, notes: map[string]string{"v0.2.1": "n"},
			want: "verify 0.2.0, put, read, confirm 0.2.1, 0.2 0.2.1>0.2.0, amend v0.2.1 !n",
		},
		{
			name: "one that no alias names", withdraw: "0.1.0", published: "0.1.0 0.1.1",
			tags: "0.1=0.1.1 0=0.1.1 latest=0.1.1", latest: "v0.1.1", public: true, notes: map[string]string{"v0.1.0": "n"},
			want: "put, read, confirm 0.1.0, amend v0.1.0 !n",
		},
		{
			name: "what was withdrawn before is passed over", withdraw: "0.3.0", published: "0.1.0 0.2.0 0.3.0", known: "0.2.0",
			tags: "0.1=0.1.0 0.2=0.2.0 0.3=0.3.0 0=0.3.0 latest=0.3.0", latest: "v0.3.0", public: true, notes: map[string]string{"v0.3.0": "n"},
			want: "verify 0.1.0, put, read, confirm 0.3.0, latest 0.3.0>0.1.0, 0 0.3.0>0.1.0, show v0.1.0, amend v0.3.0 !n, skip tag 0.2 stays, skip tag 0.3 stays",
		},
		{
			name: "the only one", withdraw: "0.1.0", published: "0.1.0",
			tags: "0.1=0.1.0 0=0.1.0 latest=0.1.0", latest: "v0.1.0", notes: map[string]string{"v0.1.0": "n"},
			want: "put, read, confirm 0.1.0, amend v0.1.0 !n, skip tag 0 stays, skip tag 0.1 stays, skip tag latest stays",
		},
		{
			name: "restored", restore: "0.2.0", published: "0.1.0 0.2.0", known: "0.2.0",
			tags: "0.1=0.1.0 0.2=0.2.0 0=0.1.0 latest=0.1.0", latest: "v0.1.0", public: true, notes: map[string]string{"v0.2.0": "n"},
			want: "verify 0.2.0, put, read, confirm 0.2.0 not, 0 0.1.0>0.2.0, latest 0.1.0>0.2.0, show v0.2.0, amend v0.2.0 !n",
		},
		{
			name: "the forge chooses by itself", withdraw: "0.2.0", published: "0.1.0 0.2.0", own: true,
			tags: "0.1=0.1.0 0.2=0.2.0 0=0.2.0 latest=0.2.0", latest: "v0.2.0", public: true, notes: map[string]string{"v0.2.0": "n"},
			want: "verify 0.1.0, put, read, confirm 0.2.0, latest 0.2.0>0.1.0, 0 0.2.0>0.1.0, amend v0.2.0 !n, skip tag 0.2 stays, skip the forge shows v0.2.0 as the latest",
		},
		{
			name: "the page of the other one is a draft", withdraw: "0.2.0", published: "0.1.0 0.2.0",
			tags: "0.1=0.1.0 0.2=0.2.0 0=0.2.0 latest=0.2.0", latest: "v0.2.0", notes: map[string]string{"v0.2.0": "n"},
			want: "verify 0.1.0, put, read, confirm 0.2.0, latest 0.2.0>0.1.0, 0 0.2.0>0.1.0, amend v0.2.0 !n, skip tag 0.2 stays",
		},
		{name: "not published", withdraw: "0.3.0", published: "0.1.0", says: "version 0.3.0 is not in the registry: there is nothing to withdraw or restore"},
		{name: "not published, restored", restore: "0.3.0", published: "0.1.0", says: "version 0.3.0 is not in the registry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := Desired{Channel: decide.Stable, Amend: map[string]func(string) string{"v" + tt.withdraw + tt.restore: banner}}
			if !tt.stands {
				want.Manifests = []Manifest{statement}
			}
			if tt.withdraw != "" {
				want.Withdrawn = []decide.Version{version(t, tt.withdraw)}
			} else {
				want.Restored = []decide.Version{version(t, tt.restore)}
			}
			have := State{Tags: map[string]v1.Hash{}, Latest: tt.latest, LatestPublic: tt.public, OwnLatest: tt.own, Notes: tt.notes}
			names := map[v1.Hash]string{}
			for _, v := range strings.Fields(tt.published) {
				have.Published = append(have.Published, version(t, v))
				have.Tags[v], names[hash(v)] = hash(v), v
			}
			for _, v := range strings.Fields(tt.known) {
				have.Withdrawn = append(have.Withdrawn, version(t, v))
			}
			for _, pair := range strings.Fields(tt.tags) {
				tag, v, _ := strings.Cut(pair, "=")
				have.Tags[tag] = hash(v)
				have.Names = append(have.Names, tag)
			}
			slices.Sort(have.Names)
			actions, err := Diff(want, have)
			if tt.says != "" {
				says(t, err, tt.says)
				return
			}
			ok(t, err)
			var got []string
			for _, a := range actions {
				switch a := a.(type) {
				case PutManifest:
					got = append(got, "put")
				case ReadBack:
					got = append(got, "read")
				case Verify:
					got = append(got, "verify "+names[a.Digest])
				case Confirm:
					line := "confirm " + names[a.Digest]
					if !a.Withdrawn {
						line += " not"
					}
					got = append(got, line)
				case MoveTag:
					got = append(got, fmt.Sprintf("%s %s>%s", a.Tag, names[a.From], names[a.To]))
					if a.Was.String() != names[a.From] || a.Version.String() != names[a.To] {
						t.Errorf("%s was %s and is %s", a.Tag, a.Was, a.Version)
					}
				case SetLatest:
					got = append(got, "show "+a.Tag)
				case AmendRelease:
					got = append(got, "amend "+a.Tag+" "+a.Notes)
				case Skip:
					got = append(got, "skip "+a.What)
				default:
					got = append(got, a.String())
				}
			}
			if line := strings.Join(got, ", "); line != tt.want {
				t.Errorf("got  %s\nwant %s", line, tt.want)
			}
		})
	}
}

// Forges change line ends and trim notes: that is no difference.
func TestSameNotes(t *testing.T) {
	const notes = "# Notes\n\n- one\n"
	want := Desired{
		Channel: decide.Candidate, Release: &forge.Release{Tag: "v0.1.0-rc.1", Name: "n", Notes: notes, Prerelease: true},
		Amend: map[string]func(string) string{"v0.0.1": func(string) string { return notes }},
	}
	for found, left := range map[string]string{
		notes:                      "publish release v0.1.0-rc.1 as a pre-release",
		"# Notes\r\n\r\n- one":     "publish release v0.1.0-rc.1 as a pre-release",
		"\n" + notes + "\r\n":      "publish release v0.1.0-rc.1 as a pre-release",
		"# Notes\r\n\r\n- two\r\n": "draft release v0.1.0-rc.1, publish release v0.1.0-rc.1 as a pre-release, amend the notes of release v0.0.1",
		"":                         "draft release v0.1.0-rc.1, publish release v0.1.0-rc.1 as a pre-release, amend the notes of release v0.0.1",
	} {
		draft := *want.Release
		draft.Draft, draft.Notes = true, found
		actions, err := Diff(want, State{Release: &draft, Notes: map[string]string{"v0.0.1": found}})
		ok(t, err)
		if got := strings.Join(lines(actions), ", "); got != left {
			t.Errorf("%q: got %s, want %s", found, got, left)
		}
	}
}
