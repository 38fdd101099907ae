//go:build mage

// A second product: another binary, no frontend, the same targets.
package main

import (
	"github.com/kubedoio/rustshare-release/magefiles/product"
	// mage:import
	"github.com/kubedoio/rustshare-release/magefiles/targets"
)

var _ = targets.Use(product.Product{
	Name:        "tiny",
	Title:       "Tiny",
	Description: "The smallest server that can be released",
	License:     "Apache-2.0",
	Vendor:      "example",
	Source:      "https://git.example.org/tiny/tiny",
	Branches:    product.Branches{Main: "main", Hotfix: "hotfix/"},
	Paperwork: product.Paperwork{
		Changelog: "CHANGELOG.md",
		Upgrading: "docs/upgrading.md",
		Records:   "docs/releases",
		Gates:     "docs/releases/gates",
		Paths:     []string{"CHANGELOG.md", "docs/**"},
	},
	Trust: product.Trust{
		OpenPGP:    []string{".release/keys/*.asc"},
		ReleaseKey: ".release/cosign.pub",
	},
	Cargo: product.Cargo{
		Package: "tinyd",
		Binary:  "tinyd",
		Targets: []product.Target{
			{Triple: "x86_64-unknown-linux-gnu", OS: "linux", Arch: "amd64", Asset: "tinyd-x86_64-linux"},
			{Triple: "aarch64-unknown-linux-gnu", OS: "linux", Arch: "arm64", Asset: "tinyd-aarch64-linux"},
		},
	},
	Image: product.Image{
		Repository: "registry.example.org/tiny/tinyd",
		User:       product.User{Name: "tiny", UID: 10001, GID: 10001},
		BinaryPath: "/usr/bin/tinyd",
		Ports:      []int{8080},
	},
	Proofs: product.ProofTags,
})
