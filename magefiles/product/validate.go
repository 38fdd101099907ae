package product

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

var (
	branchForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*$`)
	nameForm     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	assetForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	tripleForm   = regexp.MustCompile(`^[a-z0-9_]+(-[a-z0-9_]+){2,3}$`)
	platformForm = regexp.MustCompile(`^[a-z0-9]+$`)
	crateForm    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)
	gateForm     = regexp.MustCompile(`^[A-Za-z0-9]+([ -][A-Za-z0-9]+)*$`)
	userForm     = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	repoForm     = regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$`)
	baseForm     = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)
	envForm      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	variableForm = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)
	serviceForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	projectForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)
	databaseForm = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
)

// Validate holds the definition against its rules and gives all the faults at
// once, each beginning with the name of the field as it stands in Go.
func (p Product) Validate() error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	form := func(field, value string, re *regexp.Regexp, want string) {
		if !re.MatchString(value) {
			fault(field, "%q is not %s", value, want)
		}
	}
	inTree := func(field, value string) {
		if value == "" || path.IsAbs(value) || path.Clean(value) != value || value == ".." || strings.HasPrefix(value, "../") {
			fault(field, "%q is not a clean path relative to the checkout", value)
		}
	}
	absolute := func(field, value string) {
		if !path.IsAbs(value) || path.Clean(value) != value || value == "/" {
			fault(field, "%q is not a clean absolute path", value)
		}
	}
	patterns := func(field string, values []string) {
		for i, v := range values {
			at := fmt.Sprintf("%s[%d]", field, i)
			inTree(at, v)
			if _, err := path.Match(strings.TrimSuffix(v, "/**"), ""); err != nil {
				fault(at, "%q is not a pattern: %v", v, err)
			}
		}
	}

	form("Name", p.Name, nameForm, "lower-case letters, digits and dashes")
	if u, err := url.Parse(p.Source); err != nil || u.Scheme != "https" || u.Host == "" || strings.HasSuffix(p.Source, "/") || strings.HasSuffix(p.Source, ".git") {
		fault("Source", "%q is not an https URL without trailing slash or .git", p.Source)
	}
	form("Branches.Main", p.Branches.Main, branchForm, "a branch name")
	if prefix, ok := strings.CutSuffix(p.Branches.Hotfix, "/"); !ok {
		fault("Branches.Hotfix", "%q does not end in a slash", p.Branches.Hotfix)
	} else {
		form("Branches.Hotfix", prefix, branchForm, "the beginning of a branch name")
	}
	inTree("Paperwork.Changelog", p.Paperwork.Changelog)
	inTree("Paperwork.Upgrading", p.Paperwork.Upgrading)
	inTree("Paperwork.Records", p.Paperwork.Records)
	inTree("Paperwork.Gates", p.Paperwork.Gates)
	patterns("Paperwork.Paths", p.Paperwork.Paths)
	patterns("Critical", p.Critical)
	patterns("Trust.OpenPGP", p.Trust.OpenPGP)
	if p.Trust.SSHSigners != "" {
		inTree("Trust.SSHSigners", p.Trust.SSHSigners)
	}
	if len(p.Trust.OpenPGP) == 0 && p.Trust.SSHSigners == "" {
		fault("Trust", "names neither OpenPGP key files nor an allowed_signers file: no tag could ever be verified")
	}
	if p.Trust.ReleaseKey != "" || p.Trust.Keyless == nil {
		inTree("Trust.ReleaseKey", p.Trust.ReleaseKey)
	}
	if k := p.Trust.Keyless; k != nil {
		k.validate(fault, p.Proofs)
		if k.TrustedRoot != "" {
			inTree("Trust.Keyless.TrustedRoot", k.TrustedRoot)
		}
	}
	for i, v := range p.Promotion.Bumps {
		if v != "major" && v != "minor" && v != "patch" {
			fault(fmt.Sprintf("Promotion.Bumps[%d]", i), "%q is neither \"major\" nor \"minor\" nor \"patch\"", v)
		}
	}
	for i, v := range p.Journeys {
		if v != "launch" && v != "beta" {
			fault(fmt.Sprintf("Journeys[%d]", i), "%q is neither \"launch\" nor \"beta\"", v)
		}
	}
	if p.Run != nil {
		p.Run.validate(fault, form)
	}
	if p.Compose != nil {
		if p.Run == nil {
			fault("Run", "is nil: say how the product is run, or leave Compose out")
		}
		p.Compose.validate(fault, form, absolute, patterns)
	}
	p.Tries.validate(fault, p.Frontend != nil, p.Run != nil)
	if p.Scan != nil {
		p.Scan.validate(fault, inTree, patterns)
	}
	gates := map[string]bool{}
	for i, g := range p.Promotion.Manual {
		at := fmt.Sprintf("Promotion.Manual[%d].", i)
		form(at+"Name", g.Name, gateForm, "a name of letters, digits, spaces and dashes")
		if gates[g.Name] {
			fault(at+"Name", "another gate is named %q already", g.Name)
		}
		gates[g.Name] = true
		if strings.TrimSpace(g.Ask) == "" {
			fault(at+"Ask", "is empty: say what has to be shown")
		}
	}
	switch p.Forge.Kind {
	case "", ForgeGitHub, ForgeGitea, ForgeDirectory:
	default:
		fault("Forge.Kind", "%q is none of %q, %q and %q", p.Forge.Kind, ForgeGitHub, ForgeGitea, ForgeDirectory)
	}
	p.Forge.validateAttestations(fault)
	if v := p.Forge.URL; v != "" {
		if u, err := url.Parse(v); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || strings.HasSuffix(v, "/") {
			fault("Forge.URL", "%q is not an http(s) URL without trailing slash", v)
		}
	}
	p.Cargo.validate(fault, form)
	if p.Install != nil {
		p.Install.validate(fault, form, p.Cargo)
	}
	if f := p.Frontend; f != nil {
		inTree("Frontend.Dir", f.Dir)
		inTree("Frontend.Output", f.Output)
		absolute("Frontend.ImageDir", f.ImageDir)
	}
	p.Image.validate(fault, form, absolute)
	if p.Proofs != ProofBundles && p.Proofs != ProofTags {
		fault("Proofs", "%q is neither %q nor %q", p.Proofs, ProofBundles, ProofTags)
	}
	if p.Packages != nil {
		p.Packages.validate(fault, form, inTree)
	}
	assets := map[string]bool{"SHA256SUMS": true, "SHA256SUMS.sig": true, "SHA256SUMS.sigstore.json": true, "install.sh": p.Install != nil} // the suite's own
	for _, t := range p.Cargo.Targets {
		assets[t.Asset] = true
	}
	for i, v := range p.Extra {
		at := fmt.Sprintf("Extra[%d]", i)
		inTree(at, v)
		if assets[path.Base(v)] {
			fault(at, "another asset is named %q already", path.Base(v))
		}
		assets[path.Base(v)] = true
	}
	if len(faults) > 0 {
		return fmt.Errorf("product %q is not valid:\n%w", p.Name, errors.Join(faults...))
	}
	return nil
}

type (
	faultFunc func(field, format string, args ...any)
	formFunc  func(field, value string, re *regexp.Regexp, want string)
)

func (c Cargo) validate(fault faultFunc, form formFunc) {
	form("Cargo.Package", c.Package, crateForm, "a Cargo package name")
	form("Cargo.Binary", c.Binary, crateForm, "a Cargo binary name")
	if len(c.Targets) == 0 {
		fault("Cargo.Targets", "is empty: name at least one target")
	}
	once := distinct(fault)
	for i, t := range c.Targets {
		at := fmt.Sprintf("Cargo.Targets[%d].", i)
		form(at+"Triple", t.Triple, tripleForm, "a Rust target triple")
		form(at+"OS", t.OS, platformForm, "an OCI operating system")
		form(at+"Arch", t.Arch, platformForm, "an OCI architecture")
		form(at+"Asset", t.Asset, assetForm, "a file name of letters, digits, dots, dashes and underscores")
		once(at+"Triple", t.Triple)
		once(at+"Arch", t.Platform())
		once(at+"Asset", t.Asset)
	}
}

func (m Image) validate(fault faultFunc, form formFunc, absolute func(field, value string)) {
	form("Image.Repository", m.Repository, repoForm, "a registry host and a lower-case repository, without tag")
	if m.Base != "" {
		form("Image.Base", m.Base, baseForm, "an image by digest (name@sha256:…)")
	}
	form("Image.User.Name", m.User.Name, userForm, "a user name")
	if m.User.UID <= 0 || m.User.GID <= 0 {
		fault("Image.User", "uid %d and gid %d must both be above 0: the image never runs as root", m.User.UID, m.User.GID)
	}
	absolute("Image.BinaryPath", m.BinaryPath)
	for i, d := range m.Dirs {
		absolute(fmt.Sprintf("Image.Dirs[%d]", i), d)
	}
	for i, port := range m.Ports {
		tcpPort(fault, fmt.Sprintf("Image.Ports[%d]", i), port)
	}
	for k := range m.Env {
		form("Image.Env", k, envForm, "an environment variable's name")
	}
	if h := m.Health; len(h.Command) > 0 {
		absolute("Image.Health.Command[0]", h.Command[0])
		if h.Interval < 0 || h.Timeout < 0 || h.StartPeriod < 0 || h.Retries < 0 {
			fault("Image.Health", "durations and retries cannot be negative")
		}
	}
}

func tcpPort(fault faultFunc, field string, port int) {
	if port < 1 || port > 65535 {
		fault(field, "%d is not a TCP port", port)
	}
}
