package release

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
)

// A journal has two slots, of which the valid one with the higher sequence number
// is current. Each begins with these fields, little-endian:
//
//	magic     8 bytes
//	format    4
//	length    4  of the payload
//	sequence  8
//	checksum  4  CRC-32C of all before it and of the payload
//
// The payload follows, in JSON. A later format keeps these fields.
const (
	slotSize      = 64 << 10
	slotMagic     = "supd.app"
	slotChecked   = 24 // bytes before the checksum
	slotHeader    = 28
	journalFormat = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// slot is the content of one slot; its sequence is 0 if it is not valid.
type slot struct {
	format   uint32
	sequence uint64
	payload  []byte
}

func (s slot) encode() []byte {
	b := make([]byte, 0, slotHeader+len(s.payload))
	b = append(b, slotMagic...)
	b = binary.LittleEndian.AppendUint32(b, s.format)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.payload)))
	b = binary.LittleEndian.AppendUint64(b, s.sequence)
	b = binary.LittleEndian.AppendUint32(b, checksum(b, s.payload))
	return append(b, s.payload...)
}

func checksum(head, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:slotChecked], castagnoli), castagnoli, payload)
}

// decodeSlot reads a slot; one that is torn gives the zero slot.
func decodeSlot(b []byte) slot {
	if len(b) < slotHeader || string(b[:len(slotMagic)]) != slotMagic {
		return slot{}
	}
	length := binary.LittleEndian.Uint32(b[12:])
	if uint64(length) > uint64(len(b)-slotHeader) {
		return slot{}
	}
	payload := b[slotHeader : slotHeader+int(length)]
	if binary.LittleEndian.Uint32(b[slotChecked:]) != checksum(b, payload) {
		return slot{}
	}
	return slot{format: binary.LittleEndian.Uint32(b[8:]), sequence: binary.LittleEndian.Uint64(b[16:]), payload: payload}
}

// readSlots gives the current slot, its place, and its State.
func readSlots(file io.ReaderAt) (holds slot, place int, state State, err error) {
	for i := range 2 {
		buf := make([]byte, slotSize)
		n, err := file.ReadAt(buf, int64(i)*slotSize)
		if err != nil && err != io.EOF {
			return slot{}, 0, State{}, err
		}
		if s := decodeSlot(buf[:n]); s.sequence > holds.sequence {
			holds, place = s, i
		}
	}
	switch {
	case holds.sequence == 0:
		return slot{}, 0, State{}, ErrCorrupt
	case holds.format > journalFormat:
		return slot{}, 0, State{}, fmt.Errorf("%w, with journal format %d; this one knows %d", ErrNewer, holds.format, journalFormat)
	}
	if err := json.Unmarshal(holds.payload, &state); err != nil {
		return slot{}, 0, State{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return holds, place, state.Clone(), nil
}

// fit makes a slot's payload of a State. If it is too long, it leaves out the
// oldest history, and gives the State that is left.
func fit(s State) ([]byte, State, error) {
	s = s.Clone()
	for {
		payload, err := json.Marshal(s)
		if err != nil {
			return nil, State{}, err
		}
		if len(payload) <= slotSize-slotHeader {
			return payload, s, nil
		}
		over := len(payload) - (slotSize - slotHeader)
		for range 1 + over/(2*reasonSize) { // an entry is hardly ever longer than that
			if !s.drop() {
				return nil, State{}, fmt.Errorf("the state has %d bytes and no history: want at most %d", len(payload), slotSize-slotHeader)
			}
		}
	}
}
