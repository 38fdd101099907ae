package product

// rustsharePackages is what RustShare is packed into.
func rustsharePackages() *Packages {
	return &Packages{
		Formats:    []PackageFormat{Deb, RPM, APK, Arch, TarGz, TarZst},
		Maintainer: "RustShare maintainers <kubedoio@users.noreply.github.com>",
		Section:    "web",
		Copyright:  "2025-2026 kubedoio and the RustShare contributors",
		License:    "LICENSE",
		Readme:     "README.md",
		Depends: map[PackageFormat][]string{
			Deb: {"adduser"},
			RPM: {"/usr/sbin/useradd"},
		},
		Commands: []Command{
			{Does: "Serves the API and the frontend until it gets SIGTERM or SIGINT. Migrates the database first."},
			{Args: "health", Does: "Asks the running server whether it is ready. The exit code is 0 if so, and 1 otherwise."},
			{Args: "--version", Does: "Prints the version."},
		},
		Service: Service{
			After: []string{"postgresql.service"},
			Env: map[string]string{
				"FRONTEND_DIST_DIR": "/usr/share/rustshare/frontend",
				"STORAGE_DIR":       "/var/lib/rustshare/objects",
			},
			Settings: []Setting{
				{Name: "BIND_ADDR", Value: "127.0.0.1:8080", About: "Address and port to listen on. Put a proxy with TLS before it."},
				{Name: "DATABASE_URL", Value: "sqlite:/var/lib/rustshare/rustshare.db", About: "The database: sqlite:/FILE, or postgres://USER:PASSWORD@HOST/NAME."},
				{Name: "JWT_SECRET", About: "What sessions are signed with: 32 random characters or more (openssl rand -hex 32). Required."},
				{Name: "RUSTSHARE_SECRET_ENCRYPTION_KEY", About: "What public links are derived from: another 32 random characters or more. Required, and to be kept."},
				{Name: "RUSTSHARE_ADMIN_PASSWORD", About: "Password of the first administrator. Required."},
				{Name: "ADMIN_EMAIL", About: "Mail address of the first administrator (default: admin@localhost)."},
				{Name: "OBJECT_STORE_URL", About: "Where the files' bytes lie: file:///DIRECTORY or s3://BUCKET (default: a directory below /var/lib/rustshare)."},
				{Name: "SESSION_COOKIE_SECURE", About: "true where users come by https."},
			},
		},
		Keys: PackageKeys{OpenPGP: ".release/packages.asc", RSA: ".release/kubedoio-rustshare.rsa.pub"},
	}
}
