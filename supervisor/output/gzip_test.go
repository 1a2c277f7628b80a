package output

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// packedFile compresses a text as supd does.
func packedFile(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := newPacker(&b, 4711).pack(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpackBytes(t testing.TB, packed []byte) (Text, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log.1.gz")
	if err := os.WriteFile(path, packed, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return unpack(file)
}

// TestPackedText: any part of a compressed file reads as before, and zcat reads it whole.
func TestPackedText(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, want := range []string{"", "one line\n", strings.Repeat("x", textSize), randomLines(random, 20_000)} {
		p := packedFile(t, want)
		if want != "" {
			z, err := gzip.NewReader(bytes.NewReader(p))
			must(t, err)
			if got, err := io.ReadAll(z); err != nil || string(got) != want {
				t.Errorf("zcat gives %d bytes of %d, %v", len(got), len(want), err)
			}
		}
		text, err := unpackBytes(t, p)
		must(t, err)
		if err := iotest.TestReader(text, []byte(want)); err != nil {
			t.Error(err)
		}
		for range 50 {
			begin := random.IntN(len(want) + 1)
			part := make([]byte, random.IntN(len(want)-begin+1))
			if n, err := text.ReadAt(part, int64(begin)); n != len(part) || err != nil && err != io.EOF || string(part) != want[begin:begin+n] {
				t.Fatalf("%d bytes at %d of %d: %d, %v", len(part), begin, len(want), n, err)
			}
		}
		info, err := text.Stat()
		must(t, err)
		if info.Size() != int64(len(want)) || info.Name() != "log.1.gz" {
			t.Errorf("%s of %d bytes, want %d", info.Name(), info.Size(), len(want))
		}
		text.Close()
	}
}

// TestPackedByOthers: what is not as supd writes it is an error, and takes no memory.
func TestPackedByOthers(t *testing.T) {
	whole := packedFile(t, strings.Repeat("a line of twenty by\n", 60_000)) // three members
	change := func(at int, to uint32) []byte {
		b := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(b[at:], to)
		return b
	}
	var foreign bytes.Buffer
	z := gzip.NewWriter(&foreign)
	z.Write([]byte("text\n"))
	z.Close()
	for name, b := range map[string][]byte{
		"no gzip":                 []byte("just text, and more of it than a head has\n"),
		"another's":               foreign.Bytes(),
		"cut in a head":           whole[:headRoom-1],
		"cut in a member":         whole[:len(whole)-1],
		"more after it":           append(bytes.Clone(whole), 0),
		"a member without size":   change(headRoom-16, 0),
		"a member beyond the end": change(headRoom-16, 1<<31),
		"a text too large":        change(headRoom-12, 1<<31),
		"a text of nothing":       change(headRoom-12, 0),
		"a short one in between":  append(packedFile(t, "short\n"), whole...),
		"more than deflate can":   append(packedFileOf(t, "short\n", textSize), whole...),
	} {
		if text, err := unpackBytes(t, b); err == nil {
			t.Errorf("%s: opened", name)
			text.Close()
		}
	}
	for name, b := range map[string][]byte{
		"damaged":                 append(bytes.Clone(whole[:headRoom+100]), append([]byte{whole[headRoom+100] ^ 1}, whole[headRoom+101:]...)...),
		"less text than it says":  packedFileOf(t, "short\n", 7),
		"more text than it says":  packedFileOf(t, "short\n", 5),
		"another's checksum":      append(bytes.Clone(packedFile(t, "x\n")[:len(packedFile(t, "x\n"))-8]), 0, 0, 0, 0, 2, 0, 0, 0),
		"nothing after its heads": append(bytes.Clone(packedFile(t, "x\n")[:headRoom]), make([]byte, len(packedFile(t, "x\n"))-headRoom)...),
	} {
		text, err := unpackBytes(t, b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := io.ReadAll(text); err == nil {
			t.Errorf("%s: reads %q", name, got)
		}
		text.Close()
	}
}

// packedFileOf says that its text has another size.
func packedFileOf(t testing.TB, text string, size uint32) []byte {
	b := packedFile(t, text)
	binary.LittleEndian.PutUint32(b[headRoom-12:], size)
	return b
}

// FuzzPacked: whatever a file has, reading it ends, and gives no more than the file says.
func FuzzPacked(f *testing.F) {
	f.Add(packedFile(f, "a line\n"))
	f.Add(packedFile(f, strings.Repeat("a line of twenty by\n", 30_000)))
	f.Add([]byte("\x1f\x8b\x08\x04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := unpackBytes(t, b)
		if err != nil {
			return
		}
		defer text.Close()
		info, err := text.Stat()
		must(t, err)
		if got, _ := io.ReadAll(text); int64(len(got)) > info.Size() {
			t.Errorf("%d bytes of %d", len(got), info.Size())
		}
	})
}
