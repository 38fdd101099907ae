package validation

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// view is what both forms of the record show, in the order in which they show
// it.
type view struct {
	Release
	Name    string
	Verdict record.Result
	Tally   string
	Facts   []fact
	Groups  []group
	// Open is what keeps the release from passing.
	Open      []item
	Limits    []limit
	Timelines []timeline
	// Records are the items that evidence is kept of.
	Records      []item
	Verification *verification
	Commands     []command
}

// fact is one of the lines on top: What it is about, a digest or a hash, and the
// Text.
type fact struct{ What, Digest, Text string }

// limit is something that this record does not show.
type limit struct {
	Name   string
	Result record.Result
	Text   string
}

// command is a line for a shell, and what it shows.
type command struct{ What, Line string }

// verification is what is read of the report of release:verify.
type verification struct {
	Format    string `json:"format"`
	Signer    string `json:"signer"`
	Passed    bool   `json:"passed"`
	Withdrawn *struct {
		Reason string `json:"reason"`
		Use    string `json:"use"`
	} `json:"withdrawn"`
	Provenance *struct {
		Builder string `json:"builder"`
	} `json:"provenance"`
	Checks []struct {
		Subject string `json:"subject"`
		Name    string `json:"name"`
		Pass    bool   `json:"pass"`
		Detail  string `json:"detail"`
	} `json:"checks"`
}

// verified gives the report of the last verification; nil where there is none.
func (r Release) verified() *verification {
	if r.Record.Verification == nil {
		return nil
	}
	text, err := json.Marshal(r.Record.Verification)
	if err != nil {
		return nil
	}
	var v *verification
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	return v
}

func (r Release) view() view {
	v := view{Release: r, Name: r.name(), Groups: r.matrix(), Verification: r.verified()}
	v.Verdict, v.Tally = verdict(v.Groups), tally(v.Groups)
	v.Timelines = timelines(v.Groups)
	for _, g := range v.Groups {
		for _, it := range g.Items {
			if it.Counts && it.Result != pass && it.Result != notApplicable {
				v.Open = append(v.Open, it)
			}
			if it.tried != nil {
				v.Records = append(v.Records, it)
			}
		}
	}
	v.Facts, v.Limits, v.Commands = v.facts(), v.limits(), v.commands()
	return v
}

func (v view) facts() []fact {
	p := v.Plan
	out := []fact{
		{"Image", v.image(), ""},
		{"Commit", p.Commit, clock(p.CommitTime)},
	}
	if !p.Ref.Version.IsZero() {
		out = append(out, fact{"Tag", "", fmt.Sprintf("%s, %s", p.Ref.Name, p.Ref.Channel)})
	}
	if c := v.Candidate; c != nil {
		out = append(out, fact{"Promoted from", c.Digest, c.Tag})
	}
	if v.Previous != "" {
		out = append(out, fact{"Release before", "", v.Previous})
	}
	if n := len(v.Timelines); n > 0 {
		var ran time.Duration
		for _, t := range v.Timelines {
			ran += t.End.Sub(t.Begin)
		}
		out = append(out, fact{"Tried", "", fmt.Sprintf("%s to %s, %s in all", clock(v.Timelines[0].Begin), clock(v.Timelines[n-1].End), cmp.Or(took(ran), "no time"))})
	}
	if r := v.Record; r.Finished.IsZero() {
		out = append(out, fact{"Published", "", "not yet"})
	} else {
		out = append(out, fact{"Published", "", fmt.Sprintf("%s, in %s", clock(r.Finished), cmp.Or(took(r.Finished.Sub(r.Started)), "no time"))})
	}
	if c := v.Verification; c != nil {
		if c.Provenance != nil {
			out = append(out, fact{"Built by", "", c.Provenance.Builder})
		}
		out = append(out, fact{"Signed with key", c.Signer, ""})
	}
	return out
}

// image is the release's reference; the repository alone where nothing is built.
func (v view) image() string {
	if v.Digest == "" {
		return v.Plan.Image
	}
	return v.Plan.Image + "@" + v.Digest
}

// limits are what people said besides a plain PASS, what does not apply, and
// what ran on no machine of its own kind. What else keeps the release from
// passing stands in Open.
func (v view) limits() []limit {
	var out []limit
	for _, g := range v.Groups {
		for _, it := range g.Items {
			if it.Reason != "" || it.Result == notApplicable || g.ID == "manual" && it.Result != pass {
				out = append(out, limit{it.Name, it.Result, cmp.Or(it.Reason, it.Seen)})
				continue
			}
			if it.tried == nil || !it.Counts {
				continue
			}
			for _, s := range it.tried.Steps {
				if s.Result == notApplicable || s.Result == pending {
					out = append(out, limit{it.Name + ", " + s.Name, s.Result, s.Detail})
				}
			}
		}
	}
	for _, b := range v.Record.Binaries {
		if b.Ran != "" && b.Ran != "native" {
			out = append(out, limit{b.Asset, "", "It did not run on a machine of its own kind: " + b.Ran + "."})
		}
	}
	for _, m := range v.Images {
		ran := func(e record.Evidence) bool { return e.Digest == v.Digest && e.Platform == m.Platform }
		if len(v.Evidence) > 0 && !slices.ContainsFunc(v.Evidence, ran) {
			out = append(out, limit{"image for " + m.Platform, "", "No smoke journey and no drill ran this one."})
		}
	}
	return out
}

func (v view) commands() []command {
	image := word(v.image())
	key := word(cmp.Or(v.KeyFile, "cosign.pub"))
	line := "mage release:verify " + image + " -key=" + key
	if !v.Plan.Ref.Version.IsZero() {
		line += " -tag=" + word(v.Plan.Ref.Name)
	}
	line += " -commit=" + word(v.Plan.Commit)
	var passed []string
	for _, e := range v.Evidence {
		if e.Result == pass && e.Digest != "" && e.Digest == v.Digest && e.Commit == v.Plan.Commit {
			passed = append(passed, label(e))
		}
	}
	if len(passed) > 0 {
		line += " -require=" + word(strings.Join(passed, ","))
	}
	flags := " --key " + key + " --insecure-ignore-tlog "
	out := []command{{"Everything at once: signature, provenance, SBOMs, binaries, and that this very digest passed.", line}}
	if v.Verification == nil || v.Verification.Format != "tags" {
		out = append(out, command{"With cosign alone. The trusted root is empty: the key is all that is trusted.", "cosign trusted-root create --out trusted-root.json"})
		flags = " --new-bundle-format --trusted-root trusted-root.json" + flags
	}
	return append(out,
		command{"The signature.", "cosign verify" + flags + image},
		command{"The results of tests, smoke journeys and drills, as they were signed.", "cosign verify-attestation" + flags + "--type https://in-toto.io/attestation/test-result/v0.1 " + image},
	)
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// word quotes a word for a shell, on one line.
func word(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "'", `'\''`) + "'"
}

// clock writes a time: "2026-01-15 09:00 UTC".
func clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// short cuts a digest or a hash to what people compare.
func short(s string) string {
	algorithm, hex, ok := strings.Cut(s, ":")
	if !ok {
		algorithm, hex = "", s
	} else {
		algorithm += ":"
	}
	if !hash.MatchString(hex) {
		return s
	}
	return algorithm + hex[:12]
}

var hash = regexp.MustCompile(`^[0-9a-f]{40,}$`)

// isDigest is true for what is shown in its short form.
func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && hash.MatchString(hex)
}
