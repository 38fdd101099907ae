package announce

import (
	"net"
	"net/textproto"
	"strings"
	"testing"
)

// mailServer takes mail as RFC 5321 has it, and refuses every login. It gives
// its host and port, and the mails that it took.
func mailServer(t *testing.T) (host string, mails chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	mails = make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				c := textproto.NewConn(conn)
				defer c.Close() //nolint:errcheck // a test's connection
				_ = c.PrintfLine("220 here")
				for {
					line, err := c.ReadLine()
					if err != nil {
						return
					}
					switch verb, _, _ := strings.Cut(line, " "); strings.ToUpper(verb) {
					case "EHLO":
						_ = c.PrintfLine("250-here\r\n250 AUTH PLAIN")
					case "AUTH":
						_ = c.PrintfLine("535 5.7.8 no, %s", secret)
					case "DATA":
						_ = c.PrintfLine("354 go on")
						text, _ := c.ReadDotBytes()
						mails <- string(text)
						_ = c.PrintfLine("250 taken")
					case "QUIT":
						_ = c.PrintfLine("221 bye")
						return
					default:
						_ = c.PrintfLine("250 fine")
					}
				}
			}()
		}
	}()
	return listener.Addr().String(), mails
}

func TestMail(t *testing.T) {
	host, mails := mailServer(t)
	l, end := ledger(), "/?from=releases@example.org&to=users@example.org&encryption=None"
	m := message
	m.Subject = "Sërver\r\nBcc: all@example.org"
	results, err := Send(t.Context(), m, []string{"smtp://" + host + end + "&auth=None", "smtp://me:" + secret + "@" + host + end + "&auth=Plain"}, l, Options{})
	outcomes(t, l, results, err, "smtp (address 1): sent", "smtp (address 2): failed, the mail server refused the login")
	got := <-mails
	if !strings.Contains(got, "Subject: =?utf-8?q?S=C3=ABrver_Bcc:_all@example.org?=\n") || strings.Contains(got, "\nBcc:") {
		t.Errorf("the subject is not as it should be in\n%s", got)
	}
	if !strings.Contains(strings.ReplaceAll(got, "\r\n", "\n"), "\n\n"+strings.TrimSpace(m.Text)) {
		t.Errorf("the mail is\n%s", got)
	}
}
