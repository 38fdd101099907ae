package product

// RustShare is the product that the suite is written for.
func RustShare() Product {
	return Product{
		Name:        "rustshare",
		Title:       "RustShare",
		Description: "Self-hosted file sharing and notes",
		License:     "Apache-2.0",
		Vendor:      "kubedoio",
		Source:      "https://github.com/kubedoio/rustshare",
		Branches:    Branches{Main: "main", Hotfix: "hotfix/"},
		Paperwork: Paperwork{
			Changelog: "CHANGELOG.md",
			Upgrading: "docs/upgrading.md",
			Records:   "docs/releases",
			Gates:     "docs/releases/gates",
			Paths:     []string{"CHANGELOG.md", "README.md", "docs/**"},
		},
		Critical: []string{
			"backend/migrations/**",
			"backend/core/src/storage/**",
			"docker-compose*.yml",
		},
		Trust: Trust{
			OpenPGP:            []string{".release/keys/*.asc"},
			SSHSigners:         ".release/allowed_signers",
			UnsignedCandidates: true,
			ReleaseKey:         ".release/cosign.pub",
			Keyless: &Keyless{
				Issuer: gitHubIssuer, TrustedRoot: ".release/trusted_root.json",
				Identities: []Identity{
					{For: []string{"edge"}, Workflow: ".github/workflows/pilot-release.yml"},
					{For: []string{"nightly"}, Workflow: ".github/workflows/nightly.yml"},
					{For: []string{"candidate", "stable"}, Workflow: ".github/workflows/release.yml"},
					{For: []string{"candidate", "stable"}, Workflow: ".github/workflows/release-split.yml"},
				},
			},
		},
		Promotion: Promotion{
			Bumps: []string{"major", "minor"},
			Manual: []ManualGate{
				{Name: "staging deployment", Ask: "The candidate runs on staging, and the integration tests passed there."},
				{Name: "migration on production data", Ask: "The candidate migrated a copy of production data and serves it."},
			},
		},
		Forge:    Forge{Attestations: true},
		Announce: Announce{Discussions: "Announcements"},
		Journeys: []string{"launch", "beta"},
		Run: &Run{
			Alive: "/health", Ready: "/health/ready",
			Secrets: []string{
				"JWT_SECRET",
				"RUSTSHARE_SECRET_ENCRYPTION_KEY",
				"RUSTSHARE_CHAT_WEBHOOK_SECRET",
				"RUSTSHARE_ADMIN_PASSWORD",
				"RUSTSHARE_DEMO_VIEWER_PASSWORD",
			},
			Process: &Process{Address: "BIND_ADDR", Database: "DATABASE_URL", Storage: "STORAGE_DIR", Frontend: "FRONTEND_DIST_DIR"},
		},
		Compose: &Compose{
			Files:        []string{"docker-compose.yml", "docker-compose.pilot.yml"},
			Production:   []string{"docker-compose.yml", "docker-compose.prod.yml"},
			Drill:        []string{"docker-compose.restore-drill.yml"},
			DrillProject: "rustshare-restore-drill",
			Backend:      "backend", Database: "postgres", ObjectStore: "rustfs", Proxy: "nginx",
			BackendPort: 8080, ProxyPort: 80,
			DatabaseVolume: "postgres-data", ObjectVolume: "rustfs-data", ObjectPath: "/data",
			DatabaseName: "rustshare", DatabaseUser: "rustshare", Migrations: "backend/migrations",
			DatabaseURLEnv: "DATABASE_URL", DatabasePasswordEnv: "POSTGRES_PASSWORD",
			ObjectUserEnv: "RUSTFS_ROOT_USER", ObjectPasswordEnv: "RUSTFS_ROOT_PASSWORD",
			ImageEnv: "RUSTSHARE_BACKEND_IMAGE", PullEnv: "RUSTSHARE_BACKEND_PULL_POLICY",
			Config: []string{"docker-compose*.yml", "docker/**"},
		},
		Tries: Tries{
			Edge:      []string{"smoke:pilot"},
			Candidate: []string{"smoke:pilot"},
			Stable:    []string{"smoke:launch"},
			Uncovered: []string{"smoke:pilot"},
			Critical:  []string{"drill:restore"},
		},
		Scan: &Scan{
			Scanners:   []string{Grype},
			Candidate:  []string{Trivy},
			Exceptions: ".release/vulnerabilities.yaml",
			VEX:        []string{".release/vex/*.json"},
		},
		Workflows: []string{"CI", "Frontend CI", "Integration Tests"},
		Cargo: Cargo{
			Package: "rustshare-server",
			Binary:  "rustshare-server",
			Targets: []Target{
				{Triple: "x86_64-unknown-linux-gnu", OS: "linux", Arch: "amd64", Asset: "rustshare-backend-x86_64-linux"},
				{Triple: "aarch64-unknown-linux-gnu", OS: "linux", Arch: "arm64", Asset: "rustshare-backend-aarch64-linux"},
			},
		},
		Frontend: &Frontend{Dir: "frontend", Output: "frontend/build", ImageDir: "/app/frontend-build"},
		Image: Image{
			Repository: "ghcr.io/kubedoio/rustshare-backend",
			User:       User{Name: "rustshare", UID: 10001, GID: 10001},
			BinaryPath: "/app/rustshare-server",
			Env: map[string]string{
				"FRONTEND_DIST_DIR": "/app/frontend-build",
			},
			Ports: []int{8080},
			Dirs:  []string{"/data", "/tmp"},
			Health: Health{
				Command:  []string{"/app/rustshare-server", "health"},
				Interval: 10, Timeout: 5, StartPeriod: 20, Retries: 3,
			},
		},
		Packages: rustsharePackages(),
		Install:  &Install{Command: "rustshare-server"},
		Proofs:   ProofBundles,
	}
}
