package product

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// PackageFormat is a kind of file that a release is packed into.
type PackageFormat string

const (
	Deb PackageFormat = "deb"
	RPM PackageFormat = "rpm"
	APK PackageFormat = "apk"
	// Arch is the format of pacman.
	Arch PackageFormat = "archlinux"
	// TarGz and TarZst are archives, with everything in one directory.
	TarGz  PackageFormat = "tar.gz"
	TarZst PackageFormat = "tar.zst"
)

// packageFormats are all that there are.
var packageFormats = []PackageFormat{Deb, RPM, APK, Arch, TarGz, TarZst}

// Packages describes what the product is packed into for candidates and stable
// releases, for each target. What lies where follows from the product's name:
// the binary in /usr/bin, the frontend in /usr/share/NAME/frontend, the settings
// in /etc/NAME/NAME.env and the data in /var/lib/NAME.
type Packages struct {
	Formats []PackageFormat `json:"formats"`
	// Maintainer is a name and a mail address: "Jane Doe <jane@example.org>".
	Maintainer string `json:"maintainer"`
	// Homepage is the product's page; empty: its Source.
	Homepage string `json:"homepage,omitempty"`
	// Section is where Debian would list it, such as "net" or "web".
	Section string `json:"section"`
	// Copyright says whose the work is, without the word itself: "2026 Jane Doe".
	Copyright string `json:"copyright"`
	// License and Readme are files of the checkout.
	License string `json:"license"`
	Readme  string `json:"readme"`
	// Depends are the packages that have to be there, in each format's words.
	Depends map[PackageFormat][]string `json:"depends,omitempty"`
	// Commands are what the binary understands, for its manual page.
	Commands []Command `json:"commands,omitempty"`
	// Service is how the product runs in the background.
	Service Service `json:"service"`
	// Keys are the public halves of what packages are signed with. A release is
	// signed where the file is there, and refused where its private half is not.
	Keys PackageKeys `json:"keys"`
}

// Command is a way to call the binary.
type Command struct {
	// Args are what follows the binary's name; empty for the plain call.
	Args string `json:"args,omitempty"`
	// Does says what happens, in sentences.
	Does string `json:"does"`
}

// Service is a program that runs in the background, under an account of its own
// that has the product's name.
type Service struct {
	// Args follow the binary.
	Args []string `json:"args,omitempty"`
	// After are units that it starts after where they are there.
	After []string `json:"after,omitempty"`
	// Env are the variables that follow from where the package puts things.
	Env map[string]string `json:"env,omitempty"`
	// Settings are the environment file, which belongs to the operator.
	Settings []Setting `json:"settings,omitempty"`
	// Capabilities are those that the program keeps, such as
	// CAP_NET_BIND_SERVICE for ports below 1024.
	Capabilities []string `json:"capabilities,omitempty"`
}

// Setting is a variable of the environment file.
type Setting struct {
	Name string `json:"name"`
	// Value stands in the file; without one the line is a comment to fill in.
	Value string `json:"value,omitempty"`
	// About is what the operator has to know, in sentences.
	About string `json:"about"`
}

// PackageKeys are files with public keys, relative to the checkout.
type PackageKeys struct {
	// OpenPGP is for deb and rpm, armored: RSA or Ed25519.
	OpenPGP string `json:"openpgp,omitempty"`
	// RSA is for apk, PEM. Alpine knows the key by the file's name, which ends in
	// ".rsa.pub".
	RSA string `json:"rsa,omitempty"`
}

var (
	capabilityForm = regexp.MustCompile(`^CAP_[A-Z_]+$`)
	unitForm       = regexp.MustCompile(`^[A-Za-z0-9@._-]+\.(service|target|socket)$`)
	maintainerForm = regexp.MustCompile(`^[^<>",\s][^<>",\r\n]* <[^<>@\s]+@[^<>@\s]+>$`)
	sectionForm    = regexp.MustCompile(`^[a-z]+$`)
)

func (p Packages) validate(fault faultFunc, form formFunc, inTree func(field, value string)) {
	if len(p.Formats) == 0 {
		fault("Packages.Formats", "is empty: name at least one of %v, or leave Packages out", packageFormats)
	}
	once := distinct(fault)
	for i, f := range p.Formats {
		at := fmt.Sprintf("Packages.Formats[%d]", i)
		if !slices.Contains(packageFormats, f) {
			fault(at, "%q is none of %v", f, packageFormats)
		}
		once(at, string(f))
	}
	form("Packages.Maintainer", p.Maintainer, maintainerForm, "a name and a mail address, as in \"Jane Doe <jane@example.org>\"")
	form("Packages.Section", p.Section, sectionForm, "a section of Debian, such as \"net\"")
	oneLine := func(field, value string) {
		if strings.TrimSpace(value) == "" || strings.ContainsAny(value, "\r\n") {
			fault(field, "%q is not one line of text", value)
		}
	}
	oneLine("Packages.Copyright", p.Copyright)
	inTree("Packages.License", p.License)
	inTree("Packages.Readme", p.Readme)
	for f, names := range p.Depends {
		if !slices.Contains(p.Formats, f) {
			fault("Packages.Depends", "%q is none of the formats", f)
		}
		for _, name := range names {
			oneLine(fmt.Sprintf("Packages.Depends[%q]", f), name)
		}
	}
	for i, c := range p.Commands {
		oneLine(fmt.Sprintf("Packages.Commands[%d].Does", i), c.Does)
	}
	p.Service.validate(fault, form, oneLine)
	if k := p.Keys.OpenPGP; k != "" {
		inTree("Packages.Keys.OpenPGP", k)
	}
	if k := p.Keys.RSA; k != "" {
		inTree("Packages.Keys.RSA", k)
		if !strings.HasSuffix(k, ".rsa.pub") {
			fault("Packages.Keys.RSA", "%q does not end in .rsa.pub, as the names of Alpine's keys do", k)
		}
	}
}

func (s Service) validate(fault faultFunc, form formFunc, oneLine func(field, value string)) {
	for i, u := range s.After {
		form(fmt.Sprintf("Packages.Service.After[%d]", i), u, unitForm, "a unit's name")
	}
	for i, c := range s.Capabilities {
		form(fmt.Sprintf("Packages.Service.Capabilities[%d]", i), c, capabilityForm, "a capability, such as CAP_NET_BIND_SERVICE")
	}
	for i, a := range s.Args {
		if a == "" || strings.ContainsAny(a, " \t\r\n\"'\\$%;") {
			fault(fmt.Sprintf("Packages.Service.Args[%d]", i), "%q does not stand for itself in a unit and in a shell", a)
		}
	}
	for k, v := range s.Env {
		form("Packages.Service.Env", k, variableForm, aVariable)
		plainValue(fault, "Packages.Service.Env["+k+"]", v)
	}
	once := distinct(fault)
	for i, v := range s.Settings {
		at := fmt.Sprintf("Packages.Service.Settings[%d].", i)
		form(at+"Name", v.Name, variableForm, aVariable)
		once(at+"Name", v.Name)
		oneLine(at+"About", v.About)
		plainValue(fault, at+"Value", v.Value)
	}
}

// plainValue wants a value that stands for itself in a unit, in an environment
// file and in a shell.
func plainValue(fault faultFunc, field, value string) {
	if strings.ContainsAny(value, " \t\r\n\"'\\$%`;&|<>()#*?[]!~{}") {
		fault(field, "%q does not stand for itself in a unit and in a shell", value)
	}
}
