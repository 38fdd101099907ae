package validation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/manual"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

const commit = "a01e00f2ac810e8d75d89def097673e84e317077"

func digest(pair string) string { return "sha256:" + strings.Repeat(pair, 32) }

var (
	index  = "sha256:09c4bf922018dc16f009d3af4f2bc3ec1e9e20020d641287e6844aa1d6c0e851"
	before = "sha256:7af941fa016a56db5eb63966d0fcc2417ef03d238431dac9a9caca8ec41cc98e"
	began  = time.Date(2026, 1, 15, 9, 2, 10, 0, time.UTC)
)

func version(t testing.TB, s string) decide.Version {
	t.Helper()
	v, err := decide.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// timed is a step with how long it took, in tenths of a second.
type timed struct {
	name, detail string
	tenths       int
}

// ran makes the evidence of a run whose steps passed one after the other.
func ran(name string, kind record.Kind, stack string, start time.Time, steps ...timed) record.Evidence {
	e := record.Evidence{
		Name: name, Kind: kind, Result: record.Pass, Commit: commit, Digest: index, Platform: "linux/amd64", Stack: stack,
		Summary: fmt.Sprintf("%d steps passed", len(steps)), Started: start,
	}
	for _, s := range steps {
		took := time.Duration(s.tenths) * 100 * time.Millisecond
		e.Steps = append(e.Steps, record.EvidenceStep{Name: s.name, Result: record.Pass, Detail: s.detail, Started: start, Took: took})
		start = start.Add(took)
	}
	e.Finished = start
	return e
}

// pilot is a whole pilot run.
func pilot(start time.Time) record.Evidence {
	e := ran("smoke:pilot", record.Smoke, "compose", start,
		timed{"configuration", "docker compose config accepts docker-compose.yml, docker-compose.pilot.yml", 6},
		timed{"boot", "postgres, rustfs, backend, nginx run", 94},
		timed{"readiness", "ready after 3 attempts", 21},
		timed{"beta journey", "19 steps passed, data kept", 148},
		timed{"user interface", "/ answers HTML", 2},
		timed{"restart", "backend and nginx restarted, ready after 2 attempts", 57},
		timed{"data after restart", "folder, file and note are there", 9},
		timed{"database away", "readiness answers 503 within 2.1s, and 200 again after postgres is back", 116},
		timed{"object store away", "readiness answers 503 within 1.4s, and 200 again after rustfs is back", 103},
		timed{"bad login", "401", 3},
		timed{"weak secrets", "the container ended with status 1: JWT_SECRET is too short", 24},
		timed{"secure cookies", "SESSION_COOKIE_SECURE is true in docker-compose.prod.yml", 5},
		timed{"backup", "20260115T090345Z: 4 files, 1.2 MB", 38},
		timed{"verify backup", "complete, checksums hold", 7},
		timed{"restore drill", "restored into rustshare-restore-drill, the journey's data is there byte for byte", 412},
		timed{"upgrade drill", "v0.1.1 booted, the candidate took over its volumes, data verified", 388},
		timed{"migrations", "14 of 14 applied", 4},
		timed{"logs", "9 logs searched for 10 secrets in 4 spellings: none found", 11},
		timed{"evidence", "complete", 1},
		timed{"tear down", "nothing is left", 63},
	)
	e.Facts = map[string]string{"previous version": "v0.1.1", "migrations": "14", "backup": "20260115T090345Z"}
	e.Logs = []record.LogFile{{Name: "smoke-pilot@compose.logs.tar.gz", SHA256: strings.Repeat("5a", 32), Size: 48211}}
	return e
}

// candidatePilot is the pilot run of the candidate before.
func candidatePilot() record.Evidence {
	e := pilot(began.Add(-26 * time.Hour))
	e.Digest, e.Commit = before, "471d81fa9961a95d2d03e7524f0cf3179ce8f4d9"
	return e
}

// verifiedReport is what release:verify reports, as it is read back from JSON.
func verifiedReport(pass bool) any {
	return map[string]any{
		"format": "bundles", "signer": "sha256:ab90c7b42642b917475e10536954f6c7a2b6f5ec659848d970ae4b000cf8d8cb", "passed": pass,
		"provenance": map[string]any{"builder": "https://github.com/kubedoio/rustshare-release/blob/main/docs/provenance.md#local-builder"},
		"checks": []any{
			map[string]any{"subject": "index", "name": "signature", "pass": true, "detail": "signed by the key sha256:ab90c7b42642b917475e10536954f6c7a2b6f5ec659848d970ae4b000cf8d8cb"},
			map[string]any{"subject": "linux/amd64", "name": "spdx", "pass": true, "detail": "SPDX of the image: 188 crates, 9 npm packages"},
			map[string]any{"subject": "linux/arm64", "name": "binary", "pass": pass, "detail": "/app/rustshare-server in the image is rustshare-backend-aarch64-linux"},
		},
	}
}

// good is a release that passes.
func good(t testing.TB) Release {
	t.Helper()
	return Release{
		Title: "RustShare",
		Plan: decide.Plan{
			Ref: decide.Ref{Name: "v0.2.0", Channel: decide.Stable, Version: version(t, "0.2.0")}, Version: "0.2.0",
			Commit: commit, CommitTime: time.Date(2026, 1, 15, 9, 0, 0, 0, time.UTC), Image: "ghcr.io/kubedoio/rustshare-backend",
			Gates: []decide.Gate{
				{Name: "tag", State: decide.Pass, Detail: "v0.2.0 is an annotated tag by Ada Maintainer <ada@example.org> at commit a01e00f2ac81"},
				{Name: "signature", State: decide.Pass, Detail: "signed by Ada Maintainer <ada@example.org> with key 73C4ED1FC637DC6325FB20FE024DD23D14CFBA70, pinned in .release/keys/ada.asc on main (a01e00f2ac81)"},
				{Name: "branch", State: decide.Pass, Detail: "commit a01e00f2ac81 is on main"},
				{Name: "tree", State: decide.Pass, Detail: "the working tree is the commit's"},
				{Name: "version", State: decide.Pass, Detail: "the sources declare 0.2.0"},
				{Name: "changelog", State: decide.Pass, Detail: `"[0.2.0] - 2026-01-15" has 4 entries`},
				{Name: "upgrading", State: decide.Pass, Detail: "1 row on breaking changes and 1 row on environment variables"},
				{Name: "manual: staging deployment", State: decide.Pass, Detail: "checked by Ada on 2026-01-15"},
				{Name: "ci", State: decide.Pass, Detail: "CI, Frontend CI and Integration Tests succeeded for a01e00f2ac81", Evidence: "https://github.com/kubedoio/rustshare/actions/runs/20948712211"},
				{Name: "candidate", State: decide.Pass, Evidence: before, Detail: "v0.2.0-rc.1 (" + before + ") is the last candidate of 0.2.0; since its commit 471d81fa9961 only CHANGELOG.md, docs/releases/gates/v0.2.0.yaml, docs/upgrading.md changed"},
				{Name: "identity", State: decide.Pass, Evidence: before, Detail: "binaries and layers are bit-identical with those of 0.2.0-rc.1"},
			},
		},
		Digest: index,
		Images: []Image{
			{"linux/amd64", "sha256:cd27282b833bd018d43b85e07575cfeddd14f65bbe26154b5e03a6df79c455e2"},
			{"linux/arm64", "sha256:159539a4e6c0aa37637485f09320c5011dcbfdf508574f74cbf98e3cbea78df0"},
		},
		Files: []File{
			{"rustshare-image-linux-amd64.spdx.json", strings.Repeat("31", 32), 223692},
			{"rustshare-image-linux-amd64.cdx.json", strings.Repeat("32", 32), 54665},
			{"SHA256SUMS", strings.Repeat("33", 32), 1144},
		},
		Record: record.Record{
			Digest: index, Started: began.Add(6 * time.Minute), Finished: began.Add(6*time.Minute + 23*time.Second),
			Binaries: []record.Binary{
				{Asset: "rustshare-backend-x86_64-linux", SHA256: "5da6c694d1c02d6393dfe3a537e84c98c886c72663692d23a6cf6572a73f951c", Ran: "native"},
				{Asset: "rustshare-backend-aarch64-linux", SHA256: "dddb60eb73a6efb965b92927ad3a6bf619334cd483c020233a7aa8845cebc972", Ran: "qemu-aarch64-static"},
			},
			Actions: []string{
				"put manifest sha256:09c4bf922018: image index", "verify sha256:09c4bf922018 (0.2.0)", "create tag 0.2.0 at sha256:09c4bf922018",
				"publish release v0.2.0 as the latest", "move tag latest from sha256:031ff3811f85 (0.1.0) to sha256:09c4bf922018 (0.2.0)",
			},
			Verification: verifiedReport(true),
		},
		Asked: []string{"smoke:launch", "drill:restore"},
		Evidence: []record.Evidence{
			{
				Name: "test:backend", Kind: record.Test, Result: record.Pass, Summary: "312 tests passed in 9 crates", Commit: commit, Started: began, Finished: began.Add(71 * time.Second),
				Steps: []record.EvidenceStep{
					{Name: "rustshare-core", Result: record.Pass, Detail: "121 passed", Started: began.Add(31 * time.Second), Took: 14 * time.Second},
					{Name: "rustshare-server", Result: record.Pass, Detail: "191 passed", Started: began.Add(45 * time.Second), Took: 26 * time.Second},
				},
			},
			ran("smoke:launch", record.Smoke, "compose", began.Add(80*time.Second),
				timed{"login", "", 4}, timed{"root", "", 1}, timed{"folder", "", 2}, timed{"upload", "1.0 MB", 7}, timed{"download", "the bytes uploaded", 5},
				timed{"internal share", "", 6}, timed{"public link", "", 8}, timed{"upload-only link", "", 9}, timed{"replication", "", 2}, timed{"clean up", "", 3}, timed{"logout", "", 2}),
			ran("drill:restore", record.Drill, "compose", began.Add(90*time.Second),
				timed{"lock", "nothing carries the label of rustshare-restore-drill", 3}, timed{"verify backup", "complete, checksums hold", 6},
				timed{"restore", "database replayed, 38 objects", 172}, timed{"readiness", "ready after 2 attempts", 31},
				timed{"data", "found again byte for byte", 12}, timed{"tear down", "nothing is left", 59}),
		},
		Candidate: &Candidate{Tag: "v0.2.0-rc.1", Digest: before, Evidence: []record.Evidence{candidatePilot()}},
		Manual: manual.File{Version: version(t, "0.2.0"), Gates: []manual.Gate{
			{Name: "staging deployment", Status: manual.Pass, Evidence: "https://github.com/kubedoio/rustshare/actions/runs/20948712298", Who: "Ada", When: "2026-01-15", Line: 3},
			{Name: "migration on production data", Status: manual.NotApplicable, Who: "Grace", When: "2026-01-15", Reason: "0.2.0 has no migration.", Line: 8},
		}},
		ManualPath:  "docs/releases/gates/v0.2.0.yaml",
		ManualAsked: []product.ManualGate{{Name: "staging deployment", Ask: "The candidate ran on staging for a day."}, {Name: "migration on production data", Ask: "A copy of production data was migrated."}},
		Previous:    "v0.1.1",
		Used:        []Used{{"postgres", "postgres:18-alpine", digest("70")}, {"rustfs", "rustfs/rustfs:1.0.0", digest("71")}},
		KeyFile:     ".release/cosign.pub",
	}
}

// bad is a candidate in which everything that can go wrong did.
func bad(t testing.TB) Release {
	t.Helper()
	r := good(t)
	r.Plan.Ref = decide.Ref{Name: "v0.2.0-rc.2", Channel: decide.Candidate, Version: version(t, "0.2.0-rc.2")}
	r.Plan.Gates = append(r.Plan.Gates[:8:8],
		decide.Gate{Name: "upgrading rows", State: decide.Warning, Detail: `docs/upgrading.md:13: the row of version 0.2.0 in table "Breaking Changes" is not filled in: replace "FILL ME IN" by what changed and what to do, or by "None"`},
		decide.Gate{Name: "ci", State: decide.Warning, Detail: "Integration Tests failed for a01e00f2ac81", Override: "the runner | lost its disk; <b>the same commit</b> passed on the second runner"},
	)
	r.Candidate, r.Record = nil, record.Record{}
	r.Asked = []string{"smoke:pilot", "scan:image", "drill:upgrade", "drill:failure"}
	p := pilot(began.Add(80 * time.Second))
	long := "restoring 20260115T090345Z into rustshare-restore-drill: `psql` ended with status 3 at postgres.sql:18843: ERROR: duplicate key value violates unique constraint \"shares_token_key\" | DETAIL: Key (token)=(********) already exists.\nCONTEXT: COPY shares, line 12 <stdin>\nThe isolated project was torn down; its logs lie beside this record. Look for a backup that was made while the backend was still writing, and make the backup again with `mage drill:backup`"
	p.Steps[14].Result, p.Steps[14].Detail = record.Fail, long
	for i := 15; i < 19; i++ {
		p.Steps[i].Result, p.Steps[i].Detail, p.Steps[i].Started, p.Steps[i].Took = record.NotRun, "an earlier phase failed", time.Time{}, 0
	}
	last := &p.Steps[19]
	last.Started = p.Steps[14].Started.Add(p.Steps[14].Took)
	p.Finished = last.Started.Add(last.Took)
	p.Result, p.Summary = record.Fail, "restore drill: "+long
	stale := ran("drill:upgrade", record.Drill, "compose", began.Add(-50*time.Hour), timed{"upgrade", "data verified", 390})
	stale.Digest = before
	failure := ran("drill:failure", record.Drill, "process", began.Add(300*time.Second),
		timed{"bad login", "401", 2}, timed{"weak configuration", "ended with status 1", 11}, timed{"database away", "", 0}, timed{"restart", "ready after 1 attempt", 18})
	failure.Steps[2].Result, failure.Steps[2].Detail = record.NotApplicable, "a process has its database in a file: it cannot be stopped"
	failure.Steps[2].Started = time.Time{}
	r.Evidence = []record.Evidence{r.Evidence[0], p, stale, failure}
	r.Manual.Gates = []manual.Gate{
		{Name: "staging deployment", Status: manual.Pending, Who: "Ada", Reason: "runs until Friday", Line: 3},
		{Name: "load | test", Status: manual.NotRun, Reason: "no hardware <yet>\n# x", Line: 13},
	}
	return r
}

// nasty is text that wants out of wherever it is put.
var nasty = []string{
	`<script>alert(1)</script>`, `"><img src=https://example.invalid/x onerror=alert(1)>`, "a | b\n| c |\n\n# heading\n```\ncode", "[x](javascript:alert(1)) ![y](https://example.invalid/y.png)",
	"</details></style></title><b>", "javascript:alert(1)", "`; url(https://example.invalid/z)", "\u202eright to left\u0000 \x1b[31m", "{{.}} ${x} $(x) 'y' @everyone", strings.Repeat("unbreakable", 60), "\xff\xfe", "",
}

// hostile is a release in which every text is nasty.
func hostile(t testing.TB) Release {
	t.Helper()
	n := 0
	return spoil(bad(t), func() string { n++; return nasty[n%len(nasty)] })
}

// spoil puts a text wherever one comes from outside.
func spoil(r Release, next func() string) Release {
	r.Title, r.Digest, r.Previous, r.KeyFile, r.ManualPath = next(), next(), next(), next(), next()
	r.Plan.Ref.Name, r.Plan.Commit, r.Plan.Image = next(), next(), next()
	for _, state := range []decide.GateState{decide.Pass, decide.Warning, decide.Fail} {
		r.Plan.Gates = append(r.Plan.Gates, decide.Gate{Name: next(), State: state, Detail: next(), Evidence: next(), Override: next()})
	}
	r.Images = []Image{{next(), next()}}
	r.Files = []File{{next(), next(), -1}}
	r.Used = []Used{{next(), next(), next()}}
	r.Asked = append(r.Asked, next())
	r.Candidate = &Candidate{Tag: next(), Digest: next(), Evidence: []record.Evidence{pilot(began)}}
	e := ran(next(), record.Kind(next()), next(), began.Add(time.Minute), timed{next(), next(), 10}, timed{next(), next(), -10})
	e.Result, e.Steps[0].Result, e.Steps[1].Result, e.Summary = record.Result(next()), record.Result(next()), record.NotApplicable, next()
	e.Facts = map[string]string{next(): next()}
	e.Logs = []record.LogFile{{Name: next(), SHA256: next()}}
	r.Evidence = append(r.Evidence, e)
	for _, status := range []string{manual.Pass, manual.Fail, manual.NotApplicable, next()} {
		r.Manual.Gates = append(r.Manual.Gates, manual.Gate{Name: next(), Status: status, Evidence: next(), Who: next(), When: next(), Reason: next()})
	}
	r.ManualAsked = append(r.ManualAsked, product.ManualGate{Name: next(), Ask: next()})
	r.Record = record.Record{
		Digest: r.Digest, Started: began, Finished: began.Add(time.Minute), Actions: []string{next()}, Kept: []string{next()}, Override: next(),
		Binaries: []record.Binary{{Asset: next(), SHA256: next(), Ran: next()}},
		Verification: map[string]any{
			"signer": next(), "passed": false, "withdrawn": map[string]any{"reason": next(), "use": next()}, "provenance": map[string]any{"builder": next()},
			"checks": []any{map[string]any{"subject": next(), "name": next(), "detail": next()}},
		},
	}
	return r
}
