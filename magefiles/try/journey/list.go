package journey

import (
	"maps"
	"slices"
)

// items are the elements of the lists in a JSON value: the value itself is one,
// or its fields hold some. ok says that there was a list at all; an empty one
// has no items. Products wrap their lists in different ways; none is agreed.
func items(value any) (out []any, ok bool) {
	switch value := value.(type) {
	case []any:
		return value, true
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if list, is := items(value[key]); is {
				out, ok = append(out, list...), true
			}
		}
	}
	return out, ok
}

// at is a string field of an item, "" where there is none; path leads to it.
func at(item any, path ...string) string {
	for _, key := range path {
		object, _ := item.(map[string]any)
		item = object[key]
	}
	s, _ := item.(string)
	return s
}
