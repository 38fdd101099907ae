package versions

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// document is a TOML file with the places of its texts.
type document struct {
	file
	places map[string]place
}

// at gives the place of the text under a path of keys, in which the elements of
// arrays are named by their index.
func (d document) at(keys ...string) (place, bool) {
	p, ok := d.places[join(keys)]
	return p, ok
}

// join names a path of keys, which may hold anything.
func join(keys []string) string { return fmt.Sprintf("%q", keys) }

// parseTOML reads a TOML 1.0 file, into what the caller wants of it as well.
func parseTOML(f file, into any) (document, error) {
	d := document{f, map[string]place{}}
	if err := toml.Unmarshal(f.text, into); err != nil {
		line := 1
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ = at.Position()
		}
		return d, f.fault(line, "this is no TOML that can be read: %v", err)
	}
	var parser unstable.Parser
	parser.Reset(f.text)
	var table []string
	arrays := map[string]int{} // how many elements each array of tables has so far
	for parser.NextExpression() {
		e := parser.Expression()
		switch e.Kind {
		case unstable.Table:
			table = resolve(keys(e), arrays)
		case unstable.ArrayTable:
			table = resolve(keys(e), arrays)
			name := join(table)
			table = append(table, strconv.Itoa(arrays[name]))
			arrays[name]++
		case unstable.KeyValue:
			d.note(slices.Concat(table, keys(e)), e.Value())
		}
	}
	if err := parser.Error(); err != nil {
		return d, f.fault(1, "this is no TOML that can be read: %v", err)
	}
	return d, nil
}

// resolve completes the path of a table by the last index of each array of
// tables that it leads through.
func resolve(path []string, arrays map[string]int) []string {
	var out []string
	for i, key := range path {
		out = append(out, key)
		if n := arrays[join(out)]; n > 0 && i < len(path)-1 {
			out = append(out, strconv.Itoa(n-1))
		}
	}
	return out
}

func keys(n *unstable.Node) []string {
	var out []string
	for it := n.Key(); it.Next(); {
		out = append(out, string(it.Node().Data))
	}
	return out
}

// note records the places of the texts in a value.
func (d document) note(path []string, v *unstable.Node) {
	switch v.Kind {
	case unstable.String:
		start, end := int(v.Raw.Offset), int(v.Raw.Offset+v.Raw.Length)
		quotes := 1
		if raw := d.text[start:end]; len(raw) >= 6 && raw[0] == raw[1] && raw[1] == raw[2] {
			quotes = 3
		}
		d.places[join(path)] = place{string(v.Data), start + quotes, end - quotes}
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			d.note(slices.Concat(path, keys(it.Node())), it.Node().Value())
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			d.note(slices.Concat(path, []string{strconv.Itoa(i)}), it.Node())
		}
	}
}
