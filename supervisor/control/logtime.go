package control

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strings"
	"time"

	"supd/supervisor/output"
)

// errUndated says that --since has nothing to go by: supd writes lines as they come.
var errUndated = errors.New("no line says when it was written, and supd keeps lines as they come: use --lines, or let the application write the time into its lines")

// A time is looked for in the first bytes of a line.
const dateWidth = 200

// dates are the ways in which programs write the time into their lines: ISO 8601 with
// all that is usual between date and time, and that of web servers' access logs.
var (
	isoDate    = regexp.MustCompile(`\b(\d{4})[-/](\d\d)[-/](\d\d)[T _](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?(?: ?(Z|[+-]\d\d:?\d\d))?`)
	accessDate = regexp.MustCompile(`\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]`)
)

// timeOf is when a line says that it was written, to the second. One without a time zone
// means this machine's.
func timeOf(line []byte) (time.Time, bool) {
	line = line[:min(len(line), dateWidth)]
	if m := isoDate.FindSubmatch(line); m != nil {
		layout, text := "20060102150405", string(bytes.Join(m[1:7], nil))
		if zone := strings.ReplaceAll(string(m[7]), ":", ""); zone != "" {
			layout, text = layout+"Z0700", text+zone
		}
		at, err := time.ParseInLocation(layout, text, time.Local)
		return at, err == nil
	}
	if m := accessDate.FindSubmatch(line); m != nil {
		at, err := time.Parse("02/Jan/2006:15:04:05 -0700", string(m[1]))
		return at, err == nil
	}
	return time.Time{}, false
}

// linesSince is where the first line of the first size bytes begins that was written at a
// time or later. Lines without a time belong to the one before them. Times are taken to
// grow, so that few of them have to be read.
func linesSince(f output.Text, size int64, since time.Time) (begin int64, isDated bool, err error) {
	const block = 64 << 10
	blocks := int((size + block - 1) / block)
	n := sort.Search(blocks, func(i int) bool {
		_, at, found, e := firstTime(f, int64(i)*block, size, time.Time{})
		if e != nil {
			err = e
		}
		isDated = isDated || found
		return !found || !at.Before(since)
	})
	if err != nil {
		return 0, isDated, err
	}
	begin, _, found, err := firstTime(f, max(0, int64(n-1)*block), size, since)
	if !found {
		begin = size
	}
	return begin, isDated || found, err
}

// firstTime finds the first line that begins at offset from or later, before end, and
// tells a time that is not before since.
func firstTime(f output.Text, from, end int64, since time.Time) (begin int64, at time.Time, found bool, err error) {
	if from > 0 {
		from-- // a line begins there if a newline is before it
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, end-from), maxLine)
	whole := from == 0
	for begin = from; ; {
		line, err := r.ReadSlice('\n')
		if whole {
			if at, ok := timeOf(line); ok && !at.Before(since) {
				return begin, at, true, nil
			}
		}
		begin += int64(len(line))
		whole = err == nil
		switch {
		case errors.Is(err, io.EOF):
			return end, time.Time{}, false, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return end, time.Time{}, false, err
		}
	}
}

// maxLine bounds how much of a line is looked at.
const maxLine = 64 << 10
