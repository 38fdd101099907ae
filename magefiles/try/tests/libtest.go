package tests

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	runningLine = regexp.MustCompile(`^ +Running (\S.*) \((.+)\)$`)
	docLine     = regexp.MustCompile(`^ +(Doc-tests \S+)$`)
	hashed      = regexp.MustCompile(`-[0-9a-f]{16}$`)
	// resultLine ends what a test binary prints. The examples of one crate may
	// run as several binaries.
	resultLine  = regexp.MustCompile(`^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored; .* finished in ([0-9.]+s)$`)
	failedLine  = regexp.MustCompile(`^test (.+?)(?: - should panic)? \.\.\. FAILED$`)
	sectionLine = regexp.MustCompile(`^---- (.+) (?:stdout|stderr) ----$`)
	brokenLine  = regexp.MustCompile(`^error: could not compile (.+?)(?: due to .*)?$`)
)

// parser reads what `cargo test` prints, line by line: cargo's own words and
// the plain format of Rust's test harness. What it makes no sense of it passes
// over: a binary that it saw no result of counts as failed.
type parser struct {
	result Result
	suite  *Suite // the one that runs
	done   bool   // its result was seen
	failed []Failure
	listed bool  // the list of failed names has begun
	output *tail // of the failed test whose section is read
	said   tail  // of the suite, outside of sections

	broken  []string
	errors  tail
	inError bool
}

// line takes one line, without its end.
func (p *parser) line(line string) {
	if m := runningLine.FindStringSubmatch(line); m != nil {
		p.begin(m[1], m[2])
		return
	}
	if m := docLine.FindStringSubmatch(line); m != nil {
		p.begin(m[1], "")
		return
	}
	switch {
	case p.suite == nil:
		p.compiling(line)
	case p.output != nil && line != "failures:":
		p.section(line)
	default:
		p.testing(line)
	}
}

// compiling reads the compiler's errors, each a block up to an empty line.
func (p *parser) compiling(line string) {
	if m := brokenLine.FindStringSubmatch(line); m != nil {
		p.broken = append(p.broken, m[1])
		p.inError = false
		return
	}
	p.inError = line != "" && (p.inError || strings.HasPrefix(line, "error"))
	if p.inError {
		p.errors.add(line)
	}
}

// testing reads what the harness says of its tests.
func (p *parser) testing(line string) {
	if m := resultLine.FindStringSubmatch(line); m != nil {
		p.count(m)
		return
	}
	if m := failedLine.FindStringSubmatch(line); m != nil {
		p.failure(m[1])
		return
	}
	name, indented := strings.CutPrefix(line, "    ")
	switch {
	case line == "failures:":
		// It stands twice: before the outputs, and before the names.
		p.keep()
		p.listed, p.output = true, nil
	case p.listed && indented:
		p.failure(name)
	case sectionLine.MatchString(line):
		p.section(line)
	default:
		p.said.add(line)
	}
}

// section reads the output of a failed test.
func (p *parser) section(line string) {
	if m := sectionLine.FindStringSubmatch(line); m != nil {
		p.keep()
		p.output = &tail{name: m[1]}
		return
	}
	p.output.add(line)
}

// keep hands the output that was read to its test.
func (p *parser) keep() {
	if p.output == nil {
		return
	}
	p.failure(p.output.name).Output = p.output.String()
}

// failure gives the failure of a test of this suite, a new one where it was not
// known yet.
func (p *parser) failure(name string) *Failure {
	for i := range p.failed {
		if p.failed[i].Name == name {
			return &p.failed[i]
		}
	}
	p.failed = append(p.failed, Failure{Suite: p.suite.Name, Name: name})
	return &p.failed[len(p.failed)-1]
}

// begin starts a suite; binary is where it lies.
func (p *parser) begin(name, binary string) {
	p.end()
	if what, ok := strings.CutPrefix(name, "unittests "); ok {
		name = hashed.ReplaceAllString(filepath.Base(binary), "") + ": unittests " + what
	}
	p.suite, p.done = &Suite{Name: name}, false
	p.failed, p.listed, p.output, p.said = nil, false, nil, tail{}
}

// count takes the numbers of a result.
func (p *parser) count(m []string) {
	for i, n := range []*int{&p.suite.Passed, &p.suite.Failed, &p.suite.Ignored} {
		more, err := strconv.Atoi(m[i+1])
		if err != nil || more > 1<<30 { // more digits than any run has tests
			return
		}
		*n += more
	}
	took, err := time.ParseDuration(m[4])
	if err != nil {
		took = 0
	}
	p.suite.Took += took
	p.done, p.listed = true, false
}

// end closes a suite. One without a result died: it did not say how many tests
// it had, so it counts as one that failed beside those it had named.
func (p *parser) end() {
	if p.suite == nil {
		return
	}
	p.keep()
	if !p.done {
		p.failed = append(p.failed, Failure{Suite: p.suite.Name, Output: p.said.String()})
		p.suite.Failed = len(p.failed)
	}
	p.result.add(*p.suite)
	for _, f := range p.failed {
		p.result.fail(f)
	}
	p.suite, p.output = nil, nil
}

// tail keeps the last lines that it is given, at most maxOutput bytes: a panic
// comes after what was logged before it.
type tail struct {
	name string
	text []byte
}

func (t *tail) add(line string) {
	if len(line) > maxOutput-1 {
		line = line[len(line)-maxOutput+1:]
	}
	t.text = append(append(t.text, line...), '\n')
	if len(t.text) > 2*maxOutput {
		t.text = append(t.text[:0], t.text[len(t.text)-maxOutput:]...)
	}
}

// String leaves half a line at the start out.
func (t *tail) String() string {
	text := string(t.text)
	if over := len(text) - maxOutput; over > 0 {
		text = text[over:]
		if _, rest, ok := strings.Cut(text, "\n"); ok && rest != "" {
			text = rest
		}
	}
	return strings.ToValidUTF8(strings.Trim(text, "\n"), "\uFFFD")
}
