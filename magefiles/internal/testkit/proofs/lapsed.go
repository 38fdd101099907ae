package proofs

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Lapsed signs with a certificate of Fulcio's own key that is valid no more.
type Lapsed struct {
	*sign.EphemeralKeypair
	der []byte
}

// GetCertificate gives the certificate in DER.
func (l Lapsed) GetCertificate(context.Context, sign.Keypair, *sign.CertificateProviderOptions) ([]byte, error) {
	return l.der, nil
}

// Lapse gives one of a run: it began fifty minutes ago and ended ten minutes
// later.
func Lapse(t testing.TB, i *sigstorekit.Instance, r sigstorekit.Run) Lapsed {
	t.Helper()
	ca, key, err := i.Authority()
	testkit.OK(t, err)
	own, err := sign.NewEphemeralKeypair(nil)
	testkit.OK(t, err)
	subject, err := url.Parse("https://github.com/" + r.String())
	testkit.OK(t, err)
	var extensions []pkix.Extension
	for last, value := range map[int]string{8: sigstorekit.GitHub, 12: "https://github.com/" + r.Repository} { // issuer, source repository
		text, err := asn1.MarshalWithParams(value, "utf8")
		testkit.OK(t, err)
		extensions = append(extensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, last}, Value: text})
	}
	from := time.Now().Add(-50 * time.Minute)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: from, NotAfter: from.Add(10 * time.Minute), URIs: []*url.URL{subject}, ExtraExtensions: extensions,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}, ca, own.GetPublicKey(), key)
	testkit.OK(t, err)
	return Lapsed{own, der}
}

// Bundle signs a statement, with timestamps and in logs where the services name
// some.
func (l Lapsed) Bundle(t testing.TB, services product.Services, statement []byte) []byte {
	t.Helper()
	o := sign.BundleOptions{Context: t.Context(), CertificateProvider: l}
	for _, url := range services.Timestamps {
		o.TimestampAuthorities = append(o.TimestampAuthorities, sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: url}))
	}
	for _, log := range services.Logs {
		o.TransparencyLogs = append(o.TransparencyLogs, sign.NewRekor(&sign.RekorOptions{BaseURL: log.URL, Version: uint32(log.Version)})) //nolint:gosec // 1 or 2
	}
	made, err := sign.Bundle(&sign.DSSEData{Data: statement, PayloadType: intoto.PayloadType}, l.EphemeralKeypair, o)
	testkit.OK(t, err)
	text, err := protojson.Marshal(made)
	testkit.OK(t, err)
	return text
}
