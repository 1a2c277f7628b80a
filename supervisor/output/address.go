package output

import (
	"encoding/binary"
	"strings"
)

// appendField writes a value of one line as NAME=VALUE, and one of several with its
// length.
func appendField(to []byte, f Field) []byte {
	to = append(to, f.Name...)
	if strings.Contains(f.Value, "\n") {
		to = append(to, '\n')
		to = binary.LittleEndian.AppendUint64(to, uint64(len(f.Value)))
	} else {
		to = append(to, '=')
	}
	to = append(to, f.Value...)
	return append(to, '\n')
}

func encode(fields []Field) string {
	var all []byte
	for _, f := range fields {
		all = appendField(all, f)
	}
	return string(all)
}

// parseAddress takes an address apart.
func parseAddress(address string) (path, fields string) {
	path, fields, _ = strings.Cut(address, "\n")
	return path, fields
}
