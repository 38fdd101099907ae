package git

import (
	"bytes"
	"strings"
	"testing"
)

const (
	hash = "0123456789abcdef0123456789abcdef01234567"
	head = "object " + hash + "\ntype commit\ntag v0.4.0\ntagger Ada <ada@example.com> 1591012800 +0200\n\n"
)

func TestParseTag(t *testing.T) {
	const pgp, ssh = "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"
	tests := map[string]struct {
		raw       string
		format    Format
		signature string
	}{
		"unsigned":                       {head + "Release\n", Unsigned, ""},
		"no message":                     {head, Unsigned, ""},
		"OpenPGP":                        {head + "Release\n" + pgp, OpenPGP, pgp},
		"SSH":                            {head + "Release\n" + ssh, SSH, ssh},
		"X.509":                          {head + "-----BEGIN SIGNED MESSAGE-----\n", X509, "-----BEGIN SIGNED MESSAGE-----\n"},
		"the last one counts":            {head + pgp + "text\n" + ssh, SSH, ssh},
		"not at the beginning of a line": {head + "see -----BEGIN PGP SIGNATURE-----\n", Unsigned, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tag, err := ParseTag([]byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			if tag.Format() != tt.format || string(tag.Signature) != tt.signature {
				t.Errorf("signature is %q, %q, want %q, %q", tag.Format(), tag.Signature, tt.format, tt.signature)
			}
			if tag.Name != "v0.4.0" || tag.Object != hash || tag.Type != "commit" || tag.Tagger.String() != "Ada <ada@example.com>" || tag.Tagger.When.Unix() != 1591012800 {
				t.Errorf("tag is %+v", tag)
			}
		})
	}
}

func TestParseTagRefuses(t *testing.T) {
	change := func(from, to string) string { return strings.Replace(head, from, to, 1) }
	for raw, says := range map[string]string{
		"":                                  "no end",
		strings.TrimSuffix(head, "\n"):      "no end",
		change("\ntagger", "\nx 1\ntagger"): "its header has 5 lines",
		change("\ntype commit", "\ntype commit\ntype commit"): "its header has 5 lines",
		change("object", "Object"):                            `line 1 of its header is "Object`,
		change("type", "tipe"):                                `line 2 of its header is "tipe commit", want "type"`,
		change(hash, hash[1:]):                                "no object hash",
		change("commit", "komit"):                             `of the type "komit"`,
		change("v0.4.0", "v0.4.0\x00"):                        "its inner name",
		change("v0.4.0", "-x"):                                "begins with a dash",
		change("v0.4.0", "refs/../x"):                         "its inner name",
		change("<ada@example.com>", ""):                       "its tagger",
		change("1591012800", "now"):                           "no time in seconds",
		change("1591012800", "-5"):                            "no time in seconds",
		change(" +0200", ""):                                  "SECONDS ZONE",
	} {
		if tag, err := ParseTag([]byte(raw)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParseTag(%q) = %+v, %v, want an error that says %q", raw, tag, err, says)
		}
	}
}

func FuzzParseTag(f *testing.F) {
	f.Add([]byte(head))
	f.Add([]byte(head + "Release\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"))
	f.Add([]byte(head + "-----BEGIN SSH SIGNATURE-----"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tag, err := ParseTag(raw)
		if err != nil {
			return
		}
		if whole := append(bytes.Clone(tag.Payload), tag.Signature...); !bytes.Equal(whole, raw) {
			t.Errorf("payload and signature are not the whole object")
		}
		want := "object " + tag.Object + "\ntype " + tag.Type + "\ntag " + tag.Name + "\ntagger "
		if !bytes.HasPrefix(tag.Payload, []byte(want)) {
			t.Errorf("what was read is not what was signed: %q", want)
		}
		if (tag.Format() == Unsigned) != (len(tag.Signature) == 0) {
			t.Errorf("format %q with a signature of %d bytes", tag.Format(), len(tag.Signature))
		}
		if err := CheckName(tag.Name); err != nil {
			t.Error(err)
		}
	})
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"v1.2.3", "-x", "a..b", "@{", "a.lock"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) == nil && (strings.HasPrefix(name, "-") || strings.Contains(name, "..") || strings.ContainsAny(name, " \x00\n~^:?*[\\\x7f")) {
			t.Errorf("%q was accepted", name)
		}
	})
}
