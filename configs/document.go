package configs

import (
	"bytes"
	"errors"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// kind is the type of a value in TOML. What the environment gives is untyped.
type kind string

const (
	aString kind = "a string"
	anInt   kind = "an integer"
	aFloat  kind = "a float"
	aBool   kind = "a boolean"
	aDate   kind = "a date or time"
	anArray kind = "an array"
	aTable  kind = "a table"
	anyText kind = "text" // of an environment variable
)

// unreadable is no TOML, which has been said.
const unreadable kind = "nothing that can be read"

const noArrays = "[[…]] makes an array of tables, which no key wants; write [%s]"

// value is a TOML value that knows its place.
type value struct {
	Kind  kind
	Text  string // of a string; true or false; a number, an integer in decimal
	Items []value
	Table map[string]*value
	Place Place

	Header bool // has had its [header], or is an inline table: no other may follow
}

// document makes values of one file's text, with the place of each.
type document struct {
	file   string
	parser unstable.Parser
	lines  []int // offsets of the line ends
	report *report
	broken bool // not TOML: nothing more is said of this file
	failed bool
	syntax *unstable.ParserError // where the parser gave up
	mended map[int]bool          // lines of which only the keys are what they were
	keys   int                   // bytes of all keys, see mostKeys
}

// parse gives the file's top table, and whether it is valid TOML. Of what is none the
// table is what the lines without an error say, by which more errors are found, or nil.
func parse(file string, data []byte, r *report) (*value, bool) {
	text, marked := bytes.CutPrefix(data, byteOrderMark)
	if marked {
		r.add(Place{File: file, Line: 1}, startsWithMark)
	}
	mended := map[int]bool{}
	for {
		d := &document{file: file, report: r, mended: mended}
		root := d.parse(text)
		if d.broken {
			return nil, false
		}
		if d.syntax == nil {
			return root, !marked && len(mended) == 0
		}
		next, line, message := mend(text, d.line(d.parser.Range(d.syntax.Highlight)), d.syntax.Message)
		if message != "" && !mended[line] {
			r.add(Place{file, line, strings.Join(d.syntax.Key, ".")}, "%s", message)
		}
		if next == nil || mended[line] || len(mended) == mostMended {
			return nil, false
		}
		mended[line], text = true, next
	}
}

var byteOrderMark = []byte("\ufeff")

const startsWithMark = `begins with a byte order mark, as in Windows; take it off with sed -i '1s/^\xEF\xBB\xBF//'`

func (d *document) parse(data []byte) *value {
	for i, c := range data {
		if c == '\n' {
			d.lines = append(d.lines, i)
		}
	}
	root := &value{Kind: aTable, Table: map[string]*value{}, Place: Place{File: d.file}}
	if line, problem := Excess(data); problem != "" {
		d.broken = true
		d.fail(Place{File: d.file, Line: line}, "%s", problem)
		return root
	}
	d.parser.Reset(data[:len(data):len(data)]) // the parser finds offsets by capacities
	d.expressions(root)
	if !d.failed && d.syntax == nil {
		d.checkStrictly(data)
	}
	return root
}

func (d *document) expressions(root *value) {
	current := root
	for !d.broken && d.parser.NextExpression() {
		e := d.parser.Expression()
		switch e.Kind {
		case unstable.Table:
			current = d.header(root, e)
		case unstable.ArrayTable:
			at := d.keyPlace(root.Place, e)
			d.fail(at, noArrays, at.Key)
			current = d.table(at)
		case unstable.KeyValue:
			d.assign(current, e)
		}
	}
	errors.As(d.parser.Error(), &d.syntax)
}

// checkStrictly finds what only the whole decoder refuses: a date that is none,
// a dotted key that extends a table of another header.
func (d *document) checkStrictly(data []byte) {
	var all map[string]any
	err := toml.Unmarshal(data, &all)
	if err == nil {
		return
	}
	d.broken = true
	at := Place{File: d.file}
	if wrong, ok := errors.AsType[*toml.DecodeError](err); ok {
		at.Line, _ = wrong.Position()
	}
	d.fail(at, "%s", strings.TrimPrefix(err.Error(), "toml: "))
}

func (d *document) header(root *value, e *unstable.Node) *value {
	at := d.keyPlace(root.Place, e)
	parent, name := d.descend(root, e.Key())
	if parent == nil {
		return d.table(at)
	}
	have := parent.Table[name]
	switch {
	case strings.Contains(name, header):
		d.fail(at, "a key with a zero byte")
		return d.table(at)
	case have == nil:
		have = d.table(at)
		d.enter(parent, name, have)
	case have.Kind != aTable || have.Header:
		d.fail(at, "defined twice, first in line %d", have.Place.Line)
		return d.table(at)
	}
	have.Header, have.Place = true, at
	return have
}

func (d *document) assign(table *value, e *unstable.Node) {
	at := d.keyPlace(table.Place, e)
	parent, name := d.descend(table, e.Key())
	if parent == nil {
		return
	}
	if have := parent.Table[name]; have != nil {
		d.fail(at, "defined twice, first in line %d", have.Place.Line)
		return
	}
	if strings.Contains(name, header) {
		d.fail(at, "a key with a zero byte")
		return
	}
	v := d.value(e.Value(), at)
	if d.mended[at.Line] {
		v = value{Kind: unreadable, Place: at}
	}
	d.enter(parent, name, &v)
}

// enter puts a value into a table, unless that has enough.
func (d *document) enter(table *value, name string, v *value) {
	if len(table.Table) == mostEntries {
		if !d.broken {
			d.fail(v.Place, "the table has more than %d keys", mostEntries)
		}
		d.broken = true
		return
	}
	table.Table[name] = v
}

// descend makes the tables that all but the last part of a key name.
func (d *document) descend(table *value, keys unstable.Iterator) (parent *value, last string) {
	for keys.Next() {
		k := keys.Node()
		if keys.IsLast() {
			return table, string(k.Data)
		}
		name := string(k.Data)
		at := Place{d.file, d.line(k.Raw), d.dotted(table.Place.Key, name)}
		next := table.Table[name]
		if strings.Contains(name, header) {
			d.fail(at, "a key with a zero byte")
			return nil, ""
		}
		if next == nil {
			next = d.table(at)
			d.enter(table, name, next)
		}
		if next.Kind != aTable {
			d.fail(at, "defined twice, first in line %d", next.Place.Line)
			return nil, ""
		}
		table = next
	}
	return nil, ""
}

func (d *document) table(at Place) *value {
	return &value{Kind: aTable, Table: map[string]*value{}, Place: at}
}

func (d *document) value(n *unstable.Node, at Place) value {
	if n.Raw.Length > 0 && n.Kind != unstable.InlineTable {
		at.Line = d.line(n.Raw)
	}
	v := value{Kind: kindOf(n.Kind), Place: at, Text: string(n.Data)}
	switch v.Kind {
	case anInt:
		if i, err := strconv.ParseInt(v.Text, 0, 64); err == nil { // 0x10, 1_000
			v.Text = strconv.FormatInt(i, 10)
		}
	case anArray:
		v.Text = ""
		for items := n.Children(); items.Next(); {
			v.Items = append(v.Items, d.value(items.Node(), at))
		}
	case aTable:
		v.Text, v.Table, v.Header = "", map[string]*value{}, true
		for pairs := n.Children(); pairs.Next(); {
			d.assign(&v, pairs.Node())
		}
	}
	return v
}

func kindOf(k unstable.Kind) kind {
	switch k {
	case unstable.String:
		return aString
	case unstable.Integer:
		return anInt
	case unstable.Float:
		return aFloat
	case unstable.Bool:
		return aBool
	case unstable.Array:
		return anArray
	case unstable.InlineTable:
		return aTable
	}
	return aDate
}

func (d *document) keyPlace(parent Place, e *unstable.Node) Place {
	at := Place{File: d.file, Key: parent.Key}
	for keys := e.Key(); keys.Next(); {
		k := keys.Node()
		at.Line = d.line(k.Raw)
		at.Key = d.dotted(at.Key, string(k.Data))
	}
	return at
}

func (d *document) line(r unstable.Range) int {
	return 1 + sort.SearchInts(d.lines, int(r.Offset))
}

func (d *document) fail(at Place, format string, args ...any) {
	d.failed = true
	d.report.add(at, format, args...)
}

// dotted counts what all keys take. Beyond mostKeys they are given no more.
func (d *document) dotted(key, name string) string {
	if d.keys += len(key) + len(name); d.keys <= mostKeys {
		return dotted(key, name)
	}
	if !d.broken {
		d.fail(Place{File: d.file}, "its keys have more than %d bytes together, each with those above it; shorten them, or split the file", mostKeys)
	}
	d.broken = true
	return ""
}

// dotted appends one part to a key, quoted where TOML would want it so.
func dotted(key, name string) string {
	bare := name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
	if !bare {
		name = strconv.Quote(name)
	}
	if key == "" {
		return name
	}
	return key + "." + name
}
