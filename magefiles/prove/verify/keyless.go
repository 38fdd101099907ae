package verify

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/transparency-dev/merkle/proof"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Keyless says which certificates count.
type Keyless struct {
	// Root gives a Sigstore trusted root in JSON: the authorities and logs that
	// count. It is asked once, and only where there is a certificate to judge; with
	// a file behind it nothing needs a network.
	Root func() ([]byte, error)
	// Source is the URL of the repository whose workflows may sign, Main its main
	// branch.
	Source, Main string
	// Issuer vouches for identities that name no other.
	Issuer string
	// Identities are whose certificates count, and for what.
	Identities []product.Identity
	// Exact is one certificate subject that counts for everything but a
	// withdrawal, for somebody who knows it; "" for none.
	Exact string
}

// KeylessOf gives the certificates that a product pins.
func KeylessOf(p product.Product, trustedRoot func() ([]byte, error)) *Keyless {
	k := p.Trust.Keyless
	return &Keyless{Root: trustedRoot, Source: p.Source, Main: p.Branches.Main, Issuer: k.Issuer, Identities: k.Identities}
}

// signer is who signed a proof.
type signer struct {
	// name is for people.
	name string
	// key is true for the trusted key, whose signatures count for everything.
	key bool
	// ref and commit are those of the workflow's run, commit "" where the
	// certificate has none.
	ref, commit string
	// release and withdrawal tell what the identity counts for.
	release, withdrawal bool
}

// noRoot says that there is no telling whether a certificate counts: a proof is
// neither good nor refused.
type noRoot struct{ error }

func (n noRoot) Unwrap() error { return n.error }

// certificates judges bundles that are signed with a certificate.
type certificates struct {
	Keyless
	root     *root.TrustedRoot
	verifier *sgverify.Verifier
}

func (k Keyless) judge() (*certificates, error) {
	if k.Exact != "" && k.Issuer == "" {
		return nil, fmt.Errorf("the identity %s needs the issuer that vouches for it: name it with -issuer", k.Exact)
	}
	text, err := k.Root()
	if err != nil {
		return nil, fmt.Errorf("getting the trusted root that certificates are judged by: %w", err)
	}
	material, err := root.NewTrustedRootFromJSON(text)
	if err != nil {
		return nil, fmt.Errorf("reading the trusted root (want Sigstore's trusted_root.json): %w", err)
	}
	if len(material.FulcioCertificateAuthorities()) == 0 {
		return nil, errors.New("the trusted root names no certificate authority: no certificate could ever count")
	}
	// What the root names has to be there: an authority's timestamp or a log's,
	// an entry in a log, a certificate's own entry in its log.
	var options []sgverify.VerifierOption
	stamps, logs := len(material.TimestampingAuthorities()) > 0, len(material.RekorLogs()) > 0
	switch {
	case stamps && logs:
		options = append(options, sgverify.WithObserverTimestamps(1))
	case stamps:
		options = append(options, sgverify.WithSignedTimestamps(1))
	case logs:
		options = append(options, sgverify.WithIntegratedTimestamps(1))
	default:
		return nil, errors.New("the trusted root names neither a timestamp authority nor a log: nothing could say when a certificate was used, which is valid for minutes")
	}
	if logs {
		options = append(options, sgverify.WithTransparencyLog(1))
	}
	if len(material.CTLogs()) > 0 {
		options = append(options, sgverify.WithSignedCertificateTimestamps(1))
	}
	verifier, err := sgverify.NewVerifier(material, options...)
	if err != nil {
		return nil, fmt.Errorf("preparing the verification: %w", err)
	}
	return &certificates{k, material, verifier}, nil
}

// bundle verifies a bundle and says whose it is. The content is compared where
// it is not nil, which a signature over a file needs.
func (c *certificates) bundle(b *sgbundle.Bundle, cert *x509.Certificate, content []byte) (signer, error) {
	is, err := certificate.SummarizeCertificate(cert)
	if err != nil {
		return signer{}, fmt.Errorf("its certificate names nobody: %w", err)
	}
	artifact := sgverify.WithoutArtifactUnsafe()
	if content != nil {
		artifact = sgverify.WithArtifact(bytes.NewReader(content))
	}
	if _, err := c.verifier.Verify(b, sgverify.NewPolicy(artifact, sgverify.WithoutIdentitiesUnsafe())); err != nil {
		return signer{}, c.explain(b, cert, is, content, err)
	}
	return c.identify(is)
}

// explain says why a bundle does not verify.
func (c *certificates) explain(b *sgbundle.Bundle, cert *x509.Certificate, is certificate.Summary, content []byte, err error) error {
	who := is.SubjectAlternativeName
	if _, err := sgverify.VerifyLeafCertificate(cert.NotBefore, cert, c.root); err != nil {
		return c.stranger(cert, is)
	}
	if failed := c.signs(b, content); failed != nil {
		return fmt.Errorf("the signature of %s does not verify: %w", who, failed)
	}
	valid := fmt.Sprintf("from %s to %s", cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339))
	logged, failed := c.verifier.VerifyTransparencyLogInclusion(b)
	if mismatch := (proof.RootMismatchError{}); errors.As(failed, &mismatch) {
		failed = errors.New("the proof that comes with it is of another entry")
	}
	if failed != nil {
		return fmt.Errorf("no log that the trusted root names has the signature of %s: %w", who, failed)
	}
	at, failed := c.verifier.VerifyObserverTimestamps(b, logged)
	if failed != nil {
		return fmt.Errorf("nothing that the trusted root names says when %s signed, and its certificate was valid %s alone: %w", who, valid, failed)
	}
	for _, t := range at {
		if _, err := sgverify.VerifyLeafCertificate(t.Timestamp, cert, c.root); err != nil {
			return fmt.Errorf("%s signed at %s, when its certificate was not valid: that was %s", who, t.Timestamp.UTC().Format(time.RFC3339), valid)
		}
	}
	return fmt.Errorf("what %s signed does not verify: %w", who, err)
}

// signs says why a bundle's signature is not one over what the bundle holds, or
// over the content where that is not nil.
func (c *certificates) signs(b *sgbundle.Bundle, content []byte) error {
	signature, err := b.SignatureContent()
	if err != nil {
		return err
	}
	by, err := b.VerificationContent()
	if err != nil {
		return err
	}
	if content == nil {
		return sgverify.VerifySignature(signature, by, c.root)
	}
	return sgverify.VerifySignatureWithArtifacts(signature, by, c.root, []io.Reader{bytes.NewReader(content)})
}

// identify says whose a certificate is, if it is one that counts.
func (c *certificates) identify(is certificate.Summary) (signer, error) {
	subject := is.SubjectAlternativeName
	workflow, ref, isRun := strings.Cut(subject, "@")
	isRun = isRun && strings.HasPrefix(workflow, "https://")
	who := signer{name: fmt.Sprintf("%s (by %s)", subject, is.Issuer)}
	if isRun {
		who.ref, who.commit = ref, is.SourceRepositoryDigest
	}
	issuers, workflows := []string{}, []string{}
	if c.Exact != "" {
		issuers, workflows = append(issuers, c.Issuer), append(workflows, c.Exact)
		if c.Exact == subject && c.Issuer == is.Issuer {
			who.release = true
		}
	}
	for _, i := range c.Identities {
		issuer := i.Issuer
		if issuer == "" {
			issuer = c.Issuer
		}
		if !slices.Contains(issuers, issuer) {
			issuers = append(issuers, issuer)
		}
		if i.Workflow != "" {
			workflows = append(workflows, i.Workflow)
		}
		if is.Issuer != issuer {
			continue
		}
		switch {
		case i.Person != "":
			who.withdrawal = who.withdrawal || i.Person == subject
		case isRun && workflow == c.Source+"/"+i.Workflow:
			who.release = who.release || c.channel(i, ref)
			who.withdrawal = who.withdrawal || (slices.Contains(i.For, product.Withdrawal) && ref == "refs/heads/"+c.Main)
		}
	}
	switch {
	case !slices.Contains(issuers, is.Issuer):
		return who, fmt.Errorf("it is signed by %s, for whom the issuer %s vouches: want %s", subject, is.Issuer, strings.Join(issuers, " or "))
	case who.withdrawal && !isRun:
		return who, nil
	case isRun && !strings.HasPrefix(workflow, c.Source+"/"):
		return who, fmt.Errorf("it is signed by %s, a workflow of another repository: want one of %s", subject, c.Source)
	case isRun && is.SourceRepositoryURI != c.Source:
		return who, fmt.Errorf("it is signed by a run of the repository %q that used the workflow %s: runs of %s alone count", is.SourceRepositoryURI, subject, c.Source)
	case who.release, who.withdrawal:
		return who, nil
	case isRun && slices.ContainsFunc(c.Identities, func(i product.Identity) bool { return workflow == c.Source+"/"+i.Workflow }):
		return who, fmt.Errorf("it is signed by %s, and that workflow's signatures do not count on %s", subject, ref)
	}
	return who, fmt.Errorf("it is signed by %s, which is nobody whose signatures count: want %s", subject, strings.Join(workflows, " or "))
}

// channel tells whether an identity counts for releases of a ref.
func (c *certificates) channel(i product.Identity, ref string) bool {
	r, err := decide.ParseRef(ref, c.Main)
	if err != nil || r.Full() != ref {
		return false
	}
	if r.Version.IsZero() { // one branch, two channels
		return slices.Contains(i.For, string(decide.Edge)) || slices.Contains(i.For, string(decide.Nightly))
	}
	return slices.Contains(i.For, string(r.Channel))
}

// may says why a signer's statement of this type does not count; nil where it
// does. What a release is of is compared later: see [proofs.keep].
func (w signer) may(predicate string) error {
	switch {
	case w.key:
		return nil
	case predicate == intoto.WithdrawalType && !w.withdrawal:
		return fmt.Errorf("it is signed by %s, whose withdrawals do not count", w.name)
	case predicate != intoto.WithdrawalType && !w.release:
		return fmt.Errorf("it is signed by %s, who may withdraw releases and nothing else", w.name)
	}
	return nil
}

// keep refuses what a run on another ref signed, or one of another commit: a
// digest can be that of several releases, and what an edge build signed is not
// enough for a stable tag. Test results count wherever they were signed.
func (p *proofs) keep(ref, commit string) {
	var good []signed
	for _, s := range p.good {
		var why error
		switch {
		case s.by.key, s.PredicateType == intoto.TestResult, s.PredicateType == intoto.WithdrawalType:
		case s.by.ref != ref:
			why = fmt.Errorf("it is signed by %s, and a release of %s has to be signed by a run on that very ref", s.by.name, or(ref, "an unknown ref"))
		case s.by.commit != "" && s.by.commit != commit:
			why = fmt.Errorf("it is signed by %s in a run of commit %s, and the image names the commit %q", s.by.name, s.by.commit, commit)
		}
		if why == nil {
			good = append(good, s)
			continue
		}
		p.refused = append(p.refused, refusal{s.PredicateType, why})
	}
	p.good = good
}

// ref is the ref that an index was released from, where none was named: one
// whose run signed a provenance that names it; a tag before a branch.
func (e *evidence) ref(want Expect) string {
	var tag, branch string
	for _, s := range e.index.good {
		if s.PredicateType != intoto.Provenance || s.by.ref == "" {
			continue
		}
		build, err := intoto.DecodeBuild(s.Statement)
		if err != nil || build.Definition.External.Ref != s.by.ref || want.differs(provenanceOf(build)) != "" {
			continue
		}
		if to := &branch; strings.HasPrefix(s.by.ref, "refs/tags/") {
			to = &tag
			*to = min(or(*to, s.by.ref), s.by.ref)
		} else {
			*to = s.by.ref
		}
	}
	return or(tag, branch)
}

func or(s, alternative string) string {
	if s == "" {
		return alternative
	}
	return s
}

// Bundle verifies a Sigstore bundle by itself: that of a statement, or the
// signature over a file, of a release of this ref; of a withdrawal where the ref
// is empty. It gives the signer's name.
func (t Trust) Bundle(text, content []byte, ref string) (string, error) {
	j, err := t.judge()
	if err != nil {
		return "", err
	}
	who, err := j.over(text, content)
	if err == nil {
		err = who.of(ref)
	}
	return who.name, err
}

// Accepts tells whether a certificate (DER) would count for a release of this
// ref, or for withdrawals where that is empty, before anything is signed with
// it.
func (t Trust) Accepts(der []byte, ref string) error {
	if t.Keyless == nil {
		return errors.New("the product pins no identity that may sign (Trust.Keyless)")
	}
	c, err := t.Keyless.judge()
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("reading a certificate: %w", err)
	}
	is, err := certificate.SummarizeCertificate(cert)
	if err != nil {
		return fmt.Errorf("the certificate names nobody: %w", err)
	}
	if _, err := sgverify.VerifyLeafCertificate(cert.NotBefore, cert, c.root); err != nil {
		return c.stranger(cert, is)
	}
	who, err := c.identify(is)
	if err != nil {
		return err
	}
	return who.of(ref)
}

// of says why a signer does not count for a release of a ref, or for
// withdrawals where that is empty.
func (w signer) of(ref string) error {
	switch {
	case w.key:
		return nil
	case ref == "":
		return w.may(intoto.WithdrawalType)
	case w.ref != ref:
		return fmt.Errorf("it is signed by %s, and a release of %s has to be signed by a run on that very ref", w.name, ref)
	}
	return w.may(intoto.Signature)
}

func (c *certificates) stranger(cert *x509.Certificate, is certificate.Summary) error {
	return fmt.Errorf("the certificate of %s is from %q, an authority that the trusted root does not name", is.SubjectAlternativeName, cert.Issuer.CommonName)
}
