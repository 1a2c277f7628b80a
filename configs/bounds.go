package configs

import (
	"bytes"
	"fmt"
)

// Bounds of a file in TOML, which a stranger may have written: that of a release, and
// that of a package. The parser calls itself for each bracket, each value takes some
// hundred bytes, and each key is kept with all those above it.
const (
	mostDepth   = 16      // brackets in brackets, and parts of a dotted key
	mostSigns   = 1 << 17 // of those that separate keys and values
	mostEntries = 1 << 12 // of one table: go-toml compares each with all others
	mostKeys    = 8 << 20 // bytes of all keys, each with those above it
	mostMerged  = 32 << 20
	mostErrors  = 100 // of one file: who reads on?
)

// Excess says what would cost more than the size of a text in TOML lets expect, and in
// which line, or "". It looks at brackets and separators alone, so that it says nothing
// of whether it is TOML: of what is none the parser reads no more than up to there.
func Excess(text []byte) (line int, problem string) {
	at := 0
	problem = countSigns(text, &at)
	return 1 + bytes.Count(text[:min(at, len(text))], []byte("\n")), problem
}

func countSigns(text []byte, at *int) string {
	depth, parts, signs := 0, 1, 0
	for ; *at < len(text); *at++ {
		switch c := text[*at]; c {
		case '#':
			*at = lineEnd(text, *at) - 1
			continue
		case '"', '\'':
			*at = stringEnd(text, *at) - 1
			continue
		case '[', '{':
			depth, parts = depth+1, 1
		case ']', '}':
			depth, parts = max(0, depth-1), 1
		case '.':
			parts++
		case ',', '=':
			parts = 1
		case '\n':
			parts = 1
			continue
		default:
			continue
		}
		switch signs++; {
		case depth > mostDepth:
			return fmt.Sprintf("more than %d brackets in each other", mostDepth)
		case parts > mostDepth:
			return fmt.Sprintf("a key of more than %d parts", mostDepth)
		case signs > mostSigns:
			return fmt.Sprintf("more than %d keys and values; split the file", mostSigns)
		}
	}
	return ""
}

// lineEnd is where the line ends that from is in.
func lineEnd(text []byte, from int) int {
	if i := bytes.IndexByte(text[from:], '\n'); i >= 0 {
		return from + i
	}
	return len(text)
}

// stringEnd is behind the string that begins at from. One in single quotes of either
// kind ends with its line, where the parser gives up; of those in three the end may
// have two more quotes, which belong to the string.
func stringEnd(text []byte, from int) int {
	quote := text[from]
	long := bytes.HasPrefix(text[from:], []byte{quote, quote, quote})
	if long {
		from += 2
	}
	for i := from + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == '\n' && !long:
			return i
		case text[i] != quote:
		case !long:
			return i + 1
		case bytes.HasPrefix(text[i:], []byte{quote, quote, quote}):
			end := i + 3
			for end < min(i+5, len(text)) && text[end] == quote {
				end++
			}
			return end
		}
	}
	return len(text)
}

// cost is about how much memory a process takes that is read from a table, in bytes,
// up to most: what an app says for all its processes is read for each of them.
func (v *value) cost(most int) int {
	sum := 64 + len(v.Text)
	for i := range v.Items {
		if sum > most {
			return sum
		}
		sum += v.Items[i].cost(most - sum)
	}
	for name, child := range v.Table {
		if sum > most {
			return sum
		}
		sum += len(name) + child.cost(most-sum)
	}
	return sum
}
