package output

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A compressed log is a gzip file of several members (RFC 1952, 2.2), for zcat and the
// like. Each holds textSize bytes of the log but for the last one, and says in an extra
// field how long it is: so any part can be read without what comes before it.
const (
	textSize = 512 << 10
	headRoom = 12 + 4 + extraSize // of a member: until its compressed data
	// extraSize is that of the field: the member's size, that of its text, and the
	// Identity of what was compressed.
	extraSize = 4 + 4 + 8
	// leastPacked is what textSize bytes come to at least: deflate makes at most 1032
	// bytes of one.
	leastPacked = textSize / 1040
	// mostMembers bounds the memory for where they begin: the file may be anybody's.
	mostMembers = 1 << 20
)

// extraField begins the extra field (RFC 1952, 2.3.1.1).
var extraField = []byte{'S', 'D', extraSize, 0}

var errPacked = errors.New("was not compressed by supd; read it with zcat")

// packer writes the members.
type packer struct {
	to     io.Writer
	origin uint64 // Identity
	text   []byte
	member bytes.Buffer
	gzip   *gzip.Writer
}

func newPacker(to io.Writer, origin uint64) *packer {
	p := &packer{to: to, origin: origin, text: make([]byte, textSize)}
	p.gzip = gzip.NewWriter(&p.member)
	return p
}

// pack compresses all of a text.
func (p *packer) pack(from io.Reader) error {
	for {
		n, err := io.ReadFull(from, p.text)
		if n > 0 {
			if err := p.one(p.text[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF, err == io.ErrUnexpectedEOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// one writes a member. Its size is known last, and stands at its beginning.
func (p *packer) one(text []byte) error {
	p.member.Reset()
	p.gzip.Reset(&p.member)
	p.gzip.Extra = append(bytes.Clone(extraField), make([]byte, extraSize)...)
	_, err := p.gzip.Write(text)
	if err = errors.Join(err, p.gzip.Close()); err != nil {
		return err
	}
	member := p.member.Bytes()
	binary.LittleEndian.PutUint32(member[headRoom-16:], uint32(len(member)))
	binary.LittleEndian.PutUint32(member[headRoom-12:], uint32(len(text)))
	binary.LittleEndian.PutUint64(member[headRoom-8:], p.origin)
	_, err = p.to.Write(member)
	return err
}

// packedText is the text of a compressed log: a Text.
type packedText struct {
	file   *os.File
	info   packedInfo
	origin uint64
	starts []int64 // of the members, and where the last one ends
	at     int64   // of Read

	gzip   *gzip.Reader
	member int    // that text is of; -1: none
	text   []byte // of one member
}

// packedInfo has the size of the text.
type packedInfo struct {
	fs.FileInfo
	size int64
}

func (i packedInfo) Size() int64 { return i.size }

// unpack opens a compressed log. It closes the file if it fails.
func unpack(file *os.File) (Text, error) {
	p := &packedText{file: file, gzip: new(gzip.Reader), member: -1}
	if err := p.find(); err != nil {
		file.Close()
		return nil, &fs.PathError{Op: "read", Path: file.Name(), Err: err}
	}
	return p, nil
}

// find finds the members.
func (p *packedText) find() error {
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	p.info.FileInfo = info
	var at int64
	last := textSize
	for at < info.Size() {
		m, err := p.memberAt(at)
		switch {
		case err != nil:
			return err
		case last != textSize || len(p.starts) == mostMembers || m.text == textSize && m.packed < leastPacked:
			return errPacked
		}
		p.starts = append(p.starts, at)
		at, last = at+int64(m.packed), int(m.text)
		p.info.size, p.origin = p.info.size+int64(m.text), m.origin
	}
	if at != info.Size() {
		return errPacked
	}
	p.starts = append(p.starts, at)
	return nil
}

// memberHead is what a member says of itself.
type memberHead struct {
	packed, text uint32
	origin       uint64
}

func (p *packedText) memberAt(at int64) (m memberHead, err error) {
	var b [headRoom]byte
	if _, err := p.file.ReadAt(b[:], at); err != nil && err != io.EOF {
		return m, err
	}
	const isGzip, hasExtra = "\x1f\x8b\x08", 1 << 2
	if string(b[:3]) != isGzip || b[3] != hasExtra || !bytes.Equal(b[12:16], extraField) {
		return m, errPacked
	}
	m = memberHead{binary.LittleEndian.Uint32(b[16:]), binary.LittleEndian.Uint32(b[20:]), binary.LittleEndian.Uint64(b[24:])}
	if m.packed <= headRoom || m.text == 0 || m.text > textSize {
		return m, errPacked
	}
	return m, nil
}

// Stat is that of the file, with the size of the text.
func (p *packedText) Stat() (fs.FileInfo, error) { return p.info, nil }

// Close closes the file.
func (p *packedText) Close() error { return p.file.Close() }

// ReadAt is that of io.ReaderAt, for one caller at a time.
func (p *packedText) ReadAt(to []byte, at int64) (n int, err error) {
	for n < len(to) && at < p.info.size {
		if err := p.load(int(at / textSize)); err != nil {
			return n, err
		}
		got := copy(to[n:], p.text[at%textSize:])
		n, at = n+got, at+int64(got)
	}
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}

// load unpacks a member, whose checksum must be right.
func (p *packedText) load(i int) error {
	if i == p.member {
		return nil
	}
	p.member = -1
	size := min(textSize, p.info.size-int64(i)*textSize)
	if p.text == nil {
		p.text = make([]byte, 0, min(textSize, p.info.size)+1)
	}
	from := io.NewSectionReader(p.file, p.starts[i], p.starts[i+1]-p.starts[i])
	err := p.gzip.Reset(from)
	if err == nil {
		p.gzip.Multistream(false)
		p.text = p.text[:size]
		_, err = io.ReadFull(p.gzip, p.text)
	}
	if err == nil {
		var more [1]byte
		if _, err = io.ReadFull(p.gzip, more[:]); err == nil {
			err = errPacked
		}
		if err == io.EOF {
			p.member = i
			return nil
		}
	}
	return fmt.Errorf("%s: %w", p.file.Name(), err)
}

// Read is that of io.Reader.
func (p *packedText) Read(to []byte) (int, error) {
	n, err := p.ReadAt(to, p.at)
	p.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Seek is that of io.Seeker.
func (p *packedText) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += p.at
	case io.SeekEnd:
		offset += p.info.size
	}
	if offset < 0 {
		return p.at, fs.ErrInvalid
	}
	p.at = offset
	return offset, nil
}
