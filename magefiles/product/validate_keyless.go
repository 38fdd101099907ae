package product

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// signable are what an identity can be for.
var signable = []string{"edge", "nightly", "candidate", "stable", Withdrawal}

func (k Keyless) validate(fault faultFunc, proofs ProofFormat) {
	const at = "Trust.Keyless."
	if proofs == ProofTags {
		fault("Trust.Keyless", "needs Proofs %q: a certificate and its timestamp have no place under tags", ProofBundles)
	}
	address(fault, at+"Issuer", k.Issuer, "https")
	if s := k.Services; s.Fulcio != "" || len(s.Timestamps)+len(s.Logs) > 0 {
		address(fault, at+"Services.Fulcio", s.Fulcio, "https", "http")
		if k.TrustedRoot == "" {
			fault(at+"TrustedRoot", "is empty: the public good instance's root does not name the authorities of Services")
		}
		timed := len(s.Timestamps) > 0
		for i, v := range s.Timestamps {
			address(fault, fmt.Sprintf("%sServices.Timestamps[%d]", at, i), v, "https", "http")
		}
		for i, l := range s.Logs {
			in := fmt.Sprintf("%sServices.Logs[%d].", at, i)
			address(fault, in+"URL", l.URL, "https", "http")
			if l.Version != 1 && l.Version != 2 {
				fault(in+"Version", "%d is neither 1 nor 2", l.Version)
			}
			timed = timed || l.Version == 1 // it dates its entries
		}
		if !timed {
			fault(at+"Services", "has neither a timestamp authority nor a log of version 1: nothing would say when a certificate was used, which is valid for minutes")
		}
	}
	if len(k.Identities) == 0 {
		fault(at+"Identities", "is empty: nobody could sign")
	}
	for n, i := range k.Identities {
		i.validate(fault, fmt.Sprintf("%sIdentities[%d]", at, n))
	}
}

func (i Identity) validate(fault faultFunc, at string) {
	if len(i.For) == 0 {
		fault(at+".For", "is empty: name what its signatures count for, some of %q", signable)
	}
	once := distinct(fault)
	for n, v := range i.For {
		in := fmt.Sprintf("%s.For[%d]", at, n)
		if !slices.Contains(signable, v) {
			fault(in, "%q is none of %q", v, signable)
		}
		once(in, v)
		if i.Person != "" && v != Withdrawal {
			fault(in, "%q cannot be signed by a person: a release has to be signed by a run on its ref", v)
		}
	}
	switch {
	case (i.Workflow == "") == (i.Person == ""):
		fault(at, "has to name either a workflow or a person")
	case i.Workflow != "" && (path.Clean(i.Workflow) != i.Workflow || path.IsAbs(i.Workflow) || strings.ContainsAny(i.Workflow, "@*? ")):
		fault(at+".Workflow", "%q is not a workflow's path in the repository, such as .github/workflows/release.yml", i.Workflow)
	case i.Person != "" && (strings.Count(i.Person, "@") != 1 || strings.ContainsAny(i.Person, "*? /")):
		fault(at+".Person", "%q is not an e-mail address", i.Person)
	case i.Person != "" && i.Issuer == "":
		fault(at+".Issuer", "is empty: name who vouches for %s", i.Person)
	}
	if i.Issuer != "" {
		address(fault, at+".Issuer", i.Issuer, "https")
	}
}

// address wants a URL with one of the schemes.
func address(fault faultFunc, field, value string, schemes ...string) {
	if u, err := url.Parse(value); err != nil || !slices.Contains(schemes, u.Scheme) || u.Host == "" || u.User != nil || strings.HasSuffix(value, "/") {
		fault(field, "%q is not a URL with %s and without trailing slash", value, strings.Join(schemes, " or "))
	}
}
