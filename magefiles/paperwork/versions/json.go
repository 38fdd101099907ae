package versions

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// jsonTexts gives the places of the texts under a path of keys in a JSON file:
// none, one, or several where a key stands twice.
func jsonTexts(f file, path ...string) ([]place, error) {
	var whole json.RawMessage
	if err := json.Unmarshal(f.text, &whole); err != nil {
		at := len(f.text)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = int(syntax.Offset)
		}
		return nil, f.fault(f.line(at), "this is no JSON that can be read: %v", err)
	}
	r := jsonReader{text: f.text, dec: json.NewDecoder(bytes.NewReader(f.text)), want: path}
	err := r.value(nil)
	return r.found, err
}

type jsonReader struct {
	text  []byte
	dec   *json.Decoder
	want  []string
	found []place
}

// value reads the value under a path; the text is known to be JSON.
func (r *jsonReader) value(path []string) error {
	before := int(r.dec.InputOffset())
	token, err := r.dec.Token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case json.Delim:
		for r.dec.More() {
			under := slices.Concat(path, []string{"[]"}) // nothing in an array is wanted
			if token == '{' {
				key, err := r.dec.Token()
				if err != nil {
					return err
				}
				under[len(path)], _ = key.(string)
			}
			if err := r.value(under); err != nil {
				return err
			}
		}
		_, err = r.dec.Token()
	case string:
		if slices.Equal(path, r.want) {
			// Between two tokens stand white space, a colon or a comma.
			start := before + bytes.IndexByte(r.text[before:], '"') + 1
			r.found = append(r.found, place{token, start, int(r.dec.InputOffset()) - 1})
		}
	}
	return err
}
