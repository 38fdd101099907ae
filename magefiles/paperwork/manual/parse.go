package manual

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// maxSize is more than people write, in bytes.
const maxSize = 64 << 10

// Parse reads the file of a version. The name of the file has to be that
// version's: vX.Y.Z.yaml, in any directory. Whatever it does not know is a
// fault: other fields, other statuses, a name that stands twice, anchors,
// aliases and tags. The error is an [*Error].
func Parse(file string, text []byte) (File, error) {
	r := reader{file}
	if len(text) > maxSize {
		return File{}, r.fault(1, "the file has %d bytes, at most %d are read", len(text), maxSize)
	}
	if !utf8.Valid(text) {
		return File{}, r.fault(1, "the file is no UTF-8 text")
	}
	tokens := lexer.Tokenize(string(text))
	if err := r.plain(tokens); err != nil {
		return File{}, err
	}
	parsed, err := parser.Parse(tokens, 0)
	if err != nil {
		return File{}, r.syntax(err)
	}
	var docs []ast.Node
	for _, d := range parsed.Docs {
		if d.Body != nil {
			docs = append(docs, d.Body)
		}
	}
	if len(docs) != 1 {
		return File{}, r.fault(1, "the file has %d YAML documents, want one with version and gates", len(docs))
	}
	return r.document(docs[0])
}

// reader turns nodes into what they say, and into faults with their line.
type reader struct{ file string }

func (r reader) fault(line int, format string, args ...any) *Error {
	return &Error{r.file, max(line, 1), fmt.Sprintf(format, args...)}
}

func (r reader) syntax(err error) *Error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return r.fault(at.GetToken().Position.Line, "this is no YAML that can be read: %s", at.GetMessage())
	}
	return r.fault(1, "this is no YAML that can be read: %v", err)
}

// plain refuses what the file has no need of before it is parsed: texts that
// stand for other texts, and lists in lists without end.
func (r reader) plain(tokens token.Tokens) error {
	depth, entry := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.MappingKeyType, token.DirectiveType:
			return r.fault(t.Position.Line, "%q has a meaning of its own in YAML, which is not wanted here: put the text in quotes", t.Value)
		case token.SequenceStartType, token.MappingStartType:
			if depth++; depth > 2 {
				return r.fault(t.Position.Line, "there are brackets within brackets within brackets: want a list of gates with plain fields")
			}
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			if entry == t.Position.Line {
				return r.fault(entry, "there is a list within a list: want a list of gates with plain fields")
			}
			entry = t.Position.Line
		}
	}
	return nil
}

func line(n ast.Node) int { return n.GetToken().Position.Line }

func (r reader) document(n ast.Node) (File, error) {
	fields, err := r.fields(n, "version", "gates")
	if err != nil {
		return File{}, err
	}
	if fields["version"] == nil || fields["gates"] == nil {
		return File{}, r.fault(line(n), "want both a version and gates at the top")
	}
	said, err := r.text(fields["version"])
	if err != nil {
		return File{}, err
	}
	var f File
	if f.Version, err = decide.ParseVersion(strings.TrimPrefix(said, "v")); err != nil {
		return File{}, r.fault(line(fields["version"]), "%v", err)
	}
	if name := f.Version.Tag() + ".yaml"; path.Base(r.file) != name {
		return File{}, r.fault(line(fields["version"]), "the file is about version %s, so its name should be %s: correct one of the two", f.Version, name)
	}
	list, ok := fields["gates"].(*ast.SequenceNode)
	if !ok {
		return File{}, r.fault(line(fields["gates"]), "gates should be a list, each entry with name and status")
	}
	for _, n := range list.Values {
		g, err := r.gate(n)
		if err != nil {
			return File{}, err
		}
		if i := slices.IndexFunc(f.Gates, func(o Gate) bool { return o.Name == g.Name }); i >= 0 {
			return File{}, r.fault(g.Line, "gate %q stands in line %d already: keep one of the two", g.Name, f.Gates[i].Line)
		}
		f.Gates = append(f.Gates, g)
	}
	return f, nil
}

func (r reader) gate(n ast.Node) (Gate, error) {
	known := []string{"name", "status", "evidence", "who", "when", "reason"}
	fields, err := r.fields(n, known...)
	if err != nil {
		return Gate{}, err
	}
	g := Gate{Line: line(n)}
	for _, name := range known {
		if fields[name] == nil {
			continue
		}
		if *g.field(name), err = r.text(fields[name]); err != nil {
			return Gate{}, err
		}
		g.Line = min(g.Line, line(fields[name]))
	}
	if g.Name == "" {
		return Gate{}, r.fault(g.Line, "the gate has no name")
	}
	switch g.Status {
	case Pass, Fail, Pending, NotRun, NotApplicable:
	case "":
		return Gate{}, r.fault(g.Line, "gate %q has no status: want PASS, FAIL, PENDING, NOT_RUN or NOT_APPLICABLE", g.Name)
	default:
		return Gate{}, r.fault(line(fields["status"]), "status %q of gate %q is none of PASS, FAIL, PENDING, NOT_RUN and NOT_APPLICABLE", g.Status, g.Name)
	}
	if g.When != "" && !isTime(g.When) {
		return Gate{}, r.fault(line(fields["when"]), "%q is no time: want YYYY-MM-DD or RFC 3339, such as 2006-01-02T15:04:05Z", g.When)
	}
	return g, nil
}

func isTime(s string) bool {
	_, day := time.Parse(time.DateOnly, s)
	_, moment := time.Parse(time.RFC3339, s)
	return day == nil || moment == nil
}

// fields reads a mapping that may hold the known keys; that each stands once
// is what the parser sees to.
func (r reader) fields(n ast.Node, known ...string) (map[string]ast.Node, error) {
	mapping, ok := n.(*ast.MappingNode)
	if !ok {
		return nil, r.fault(line(n), "want the fields %s here", strings.Join(known, ", "))
	}
	out := map[string]ast.Node{}
	for _, v := range mapping.Values {
		key, err := r.text(v.Key)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(known, key) {
			return nil, r.fault(line(v.Key), "field %q is not known here, only %s", key, strings.Join(known, ", "))
		}
		out[key] = v.Value
	}
	return out, nil
}

// text reads a scalar as people wrote it, whatever YAML takes it for.
func (r reader) text(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return oneLine(n.Value), nil
	case *ast.LiteralNode:
		return oneLine(n.Value.Value), nil
	case *ast.NullNode:
		return "", nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return oneLine(n.GetToken().Value), nil
	}
	return "", r.fault(line(n), "want plain text here, no list and no fields")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
