package output

import "strings"

// PlaceOf says where output goes that is captured to a path which is no file, and ""
// where it is one.
func PlaceOf(path string) string {
	if strings.HasPrefix(path, Journal) {
		return "the journal"
	}
	return ""
}
