// Command grype is the scanner program: grype's library behind one request on
// standard input and one answer on standard output, both JSON (scan.Request,
// scan.Report). It is a program of its own since that library brings far more
// with it than all targets together: who does not scan does not build it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var request scan.Request
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	var answer any
	var err error
	switch request.Do {
	case scan.DoScan:
		answer, err = scanned(request)
	case scan.DoDatabase:
		answer, err = shown(request)
	case scan.DoBuild:
		if request.Build == nil {
			return errors.New("the request asks for a database and says none")
		}
		answer, err = scan.Report{}, build(*request.Build)
	default:
		return fmt.Errorf("the request asks for %q, want %s, %s or %s", request.Do, scan.DoScan, scan.DoDatabase, scan.DoBuild)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(answer)
}
