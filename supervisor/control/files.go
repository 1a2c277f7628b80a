package control

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// standard is how many descriptors a command gets from its caller.
const standard = 3

var errFiles = errors.New("want one message with three descriptors: standard input, output and error")

// sendFiles passes descriptors on, which stay the caller's.
func sendFiles(c *net.UnixConn, files []int) error {
	_, _, err := c.WriteMsgUnix([]byte{0}, unix.UnixRights(files...), nil)
	return err
}

// receiveFiles takes the descriptors of one message. Of more than three the kernel drops
// those that there is no room for.
func receiveFiles(c *net.UnixConn) (files []int, err error) {
	var text [1]byte
	control := make([]byte, unix.CmsgSpace(4*standard))
	_, n, flags, _, err := c.ReadMsgUnix(text[:], control) // close-on-exec: net sees to that
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	for i := range messages {
		got, err := unix.ParseUnixRights(&messages[i])
		if err == nil {
			files = append(files, got...)
		}
	}
	if err != nil || flags&unix.MSG_CTRUNC != 0 || len(files) != standard {
		for _, fd := range files {
			unix.Close(fd)
		}
		return nil, errFiles
	}
	return files, nil
}
