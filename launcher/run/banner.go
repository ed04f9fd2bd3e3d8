package run

import (
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A client gets the banner within bannerTime or does without the rest; a file
// of more than maxBanner bytes is not a banner.
const (
	bannerTime = 10 * time.Second
	maxBanner  = 64 << 10
)

// banners sends the client the file named after the daemon in directory dir,
// if there is one.
func (h *Handover) banners(dir string, _ []string) error {
	f, err := os.Open(dir + "/" + h.Daemon)
	if err != nil {
		if _, err := os.Stat(dir); err != nil {
			h.warn(err)
		}
		return nil
	}
	defer f.Close()
	file, err := io.ReadAll(io.LimitReader(f, maxBanner))
	if err != nil {
		h.warn(err)
		return nil
	}
	text, err := h.banner(string(file))
	if err != nil {
		return err
	}
	h.warn(Send(h.Conn, text, time.Now().Add(bannerTime)))
	return nil
}

// banner expands a file line by line. As in libwrap, NUL bytes at its start are
// sent as they are, for protocols that want one, and elsewhere end their line.
func (h *Handover) banner(file string) (string, error) {
	rest := strings.TrimLeft(file, "\x00")
	var b strings.Builder
	b.WriteString(file[:len(file)-len(rest)])
	for line := range strings.Lines(rest) {
		line, _, _ = strings.Cut(crlf(line), "\x00")
		if h.Expand != nil {
			var err error
			if line, err = h.Expand(line); err != nil {
				return "", err
			}
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

// crlf ends a line as network protocols do. libwrap looks for the end outside
// square brackets, so that a line with an unbalanced one keeps its bare
// newline.
func crlf(line string) string {
	text, ended := strings.CutSuffix(line, "\n")
	if !ended || strings.Count(text, "[") != strings.Count(text, "]") {
		return line
	}
	return text + "\r\n"
}

// Send writes to a socket that blocks, without blocking past the deadline, and
// without a timeout that the program would inherit.
func Send(fd int, text string, deadline time.Time) error {
	for text != "" {
		n, err := unix.SendmsgN(fd, []byte(text), nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			text = text[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			if err := writable(fd, deadline); err != nil {
				return err
			}
		default:
			return os.NewSyscallError("send", err)
		}
	}
	return nil
}

// writable waits until there is room to send.
func writable(fd int, deadline time.Time) error {
	left := time.Until(deadline)
	if left <= 0 {
		return os.NewSyscallError("send", unix.ETIMEDOUT)
	}
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(left.Milliseconds())+1)
	if err == unix.EINTR {
		err = nil
	}
	return os.NewSyscallError("poll", err)
}
