package socket

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Handed are the sockets that whoever asks would be handed before it opens any: by the
// supd that runs, or its workers.
type Handed struct {
	addrs map[string][]netip.AddrPort // "tcp", "udp"
	files map[uint32]bool             // inodes of the paths of unix sockets, see boundFile
}

// HandedOn finds out where the sockets with these inodes listen (proc_net(5),
// sock_diag(7)). It does not change afterwards.
func HandedOn(inodes map[uint64]bool) *Handed {
	h := &Handed{map[string][]netip.AddrPort{}, map[uint32]bool{}}
	if len(inodes) == 0 {
		return h
	}
	for _, network := range []string{"tcp", "udp"} {
		h.readInet(network, network, inodes)
		h.readInet(network, network+"6", inodes)
	}
	h.readUnix(inodes)
	return h
}

const (
	tcpListen     = "0A"    // TCP_LISTEN
	acceptsFlag   = 1 << 16 // SO_ACCEPTCON, of the flags in /proc/net/unix
	procUnixInode = 6
	procUnixFlags = 3
)

// procAddr reads "0100007F:0050": words of four bytes in the machine's order, and the
// port.
func procAddr(text string) (addr netip.AddrPort, ok bool) {
	host, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	words, err2 := hex.DecodeString(host)
	if err != nil || err2 != nil || len(words)%4 != 0 {
		return addr, false
	}
	for i := 0; i < len(words); i += 4 {
		binary.NativeEndian.PutUint32(words[i:], binary.BigEndian.Uint32(words[i:]))
	}
	ip, ok := netip.AddrFromSlice(words)
	return netip.AddrPortFrom(ip, uint16(n)), ok
}

// readInet reads lines of "sl local_address rem_address st … inode".
func (h *Handed) readInet(network, table string, inodes map[uint64]bool) {
	text, _ := os.ReadFile("/proc/net/" + table) // there is no IPv6, perhaps
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 10 || network == "tcp" && fields[3] != tcpListen {
			continue
		}
		inode, err := strconv.ParseUint(fields[9], 10, 64)
		addr, ok := procAddr(fields[1])
		if err == nil && ok && inodes[inode] {
			h.addrs[network] = append(h.addrs[network], addr)
		}
	}
}

// readUnix reads lines of "Num RefCount Protocol Flags Type St Inode Path". The path is
// what the socket was bound to, and may lead elsewhere by now. Of the file only the
// inode is known: the numbers of file systems differ.
func (h *Handed) readUnix(inodes map[uint64]bool) {
	text, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) <= procUnixInode {
			continue
		}
		flags, err := strconv.ParseUint(fields[procUnixFlags], 16, 32)
		inode, err2 := strconv.ParseUint(fields[procUnixInode], 10, 64)
		if err != nil || err2 != nil || flags&acceptsFlag == 0 || !inodes[inode] {
			continue
		}
		if file, _, err := askInode(uint32(inode), detailFile); err == nil {
			h.files[file] = true
		}
	}
}

// has reports whether one of the sockets has the address, or, with any, one that
// excludes it.
func (h *Handed) has(at endpoint, any bool) bool {
	return h != nil && slices.ContainsFunc(h.addrs[at.network], func(addr netip.AddrPort) bool {
		same := addr == netip.AddrPortFrom(at.addr.Addr().WithZone(""), at.addr.Port())
		return same || any && Exclude(at.String(), at.network+":"+addr.String()) != ""
	})
}

func (h *Handed) hasFile(inode uint64) bool { return h != nil && h.files[uint32(inode)] }
