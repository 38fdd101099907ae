package product

// Keyless says how releases are signed without a key: CI shows who it is to a
// certificate authority (Fulcio), which gives a certificate for minutes, and a
// timestamp or a log says that it was used in time. What counts is the identity
// in the certificate. See docs/keyless.md.
type Keyless struct {
	// Issuer is the OIDC issuer that vouches for workflows, as certificates name
	// it.
	Issuer string `json:"issuer"`
	// TrustedRoot is the file in the checkout that names the authorities and logs
	// which count (Sigstore's trusted_root.json). Where it is empty, or there is no
	// such file and Services is empty, it is the public good instance's own, which
	// is looked up and kept in the user's home.
	TrustedRoot string `json:"trustedRoot,omitempty"`
	// Services are where to sign; the zero value stands for the public good
	// instance.
	Services Services `json:"services,omitzero"`
	// Identities are who may sign what.
	Identities []Identity `json:"identities"`
}

// Services are the addresses of a Sigstore instance.
type Services struct {
	// Fulcio is its base URL.
	Fulcio string `json:"fulcio,omitempty"`
	// Timestamps are the full URLs of RFC 3161 timestamp authorities.
	Timestamps []string `json:"timestamps,omitempty"`
	// Logs are transparency logs (Rekor).
	Logs []Log `json:"logs,omitempty"`
}

// Log is a Rekor.
type Log struct {
	URL string `json:"url"`
	// Version of its API, 1 or 2.
	Version int `json:"version"`
}

// PublicGood is the Sigstore instance that everybody may use.
func PublicGood() Services {
	return Services{
		Fulcio:     "https://fulcio.sigstore.dev",
		Timestamps: []string{"https://timestamp.sigstore.dev/api/v1/timestamp"},
		Logs:       []Log{{URL: "https://rekor.sigstore.dev", Version: 1}},
	}
}

// At gives the services to sign with.
func (k Keyless) At() Services {
	if k.Services.Fulcio == "" {
		return PublicGood()
	}
	return k.Services
}

// Identity is someone whose signatures count, and for what.
type Identity struct {
	// For names channels ("edge", "nightly", "candidate", "stable"), or
	// "withdrawal". A release of a channel has to be signed by a run on its very
	// ref: the main branch, or the tag.
	For []string `json:"for"`
	// Workflow is the path of a workflow in the product's repository; a
	// withdrawal's runs on the main branch.
	Workflow string `json:"workflow,omitempty"`
	// Person is an e-mail address, for withdrawals alone; Issuer vouches for it.
	Person string `json:"person,omitempty"`
	Issuer string `json:"issuer,omitempty"`
}

// Withdrawal is what an [Identity] is for that may withdraw releases and
// restore them.
const Withdrawal = "withdrawal"

// gitHubIssuer vouches for workflows that GitHub Actions runs.
const gitHubIssuer = "https://token.actions.githubusercontent.com"
