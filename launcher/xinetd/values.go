package xinetd

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"doorward/launcher/rate"
	"doorward/launcher/syslog"
)

var (
	errYesNo     = errors.New("want yes or no")
	errAbsent    = errors.New("not in the list it is taken from")
	errRPC       = errors.New("RPC services are refused: rpcbind tells everybody where they are")
	errTCPMux    = errors.New("TCPMUX is refused: one open port would be all of them (CVE-2012-0862, CVE-2013-4342)")
	errSecure    = errors.New("refused: it never worked, not in xinetd either")
	errSELinux   = errors.New("refused: programs keep doorward's SELinux context")
	errSmallUDP  = errors.New("refused for UDP: who answers forged senders floods them, and two such services each other for ever (CERT CA-1996-01)")
	errOwnAccept = errors.New("does not go with wait = yes: doorward accepts the clients of this one itself")
	errWait      = errors.New("does not go with wait = yes: the program accepts clients itself")
	errFile      = errors.New("want a path from the root")
)

// nothing sets nothing: enabled and disabled are read when all services are
// known.
func nothing(*Service, *line) {}

func refused(why error) func(*Service, *line) {
	return func(_ *Service, l *line) { l.fail(l.name, why) }
}

func ignored(why string) func(*Service, *line) {
	return func(_ *Service, l *line) { l.warn(l.name, why) }
}

// text sets a single word.
func text(field func(*Service) *string) func(*Service, *line) {
	return func(s *Service, l *line) { *field(s) = l.values[0] }
}

// file sets the name of a file.
func file(field func(*Service) *string) func(*Service, *line) {
	return func(s *Service, l *line) {
		if !path.IsAbs(l.values[0]) {
			l.fail(l.values[0], errFile)
		}
		*field(s) = l.values[0]
	}
}

func boolean(field func(*Service) *bool) func(*Service, *line) {
	return func(s *Service, l *line) {
		switch strings.ToLower(l.values[0]) {
		case "yes":
			*field(s) = true
		case "no":
			*field(s) = false
		default:
			l.fail(l.values[0], errYesNo)
		}
	}
}

func setDisable(s *Service, l *line) { boolean(func(s *Service) *bool { return &s.Disabled })(s, l) }

func setWait(s *Service, l *line) {
	s.wait = true
	boolean(func(s *Service) *bool { return &s.Wait })(s, l)
}

// limit sets a number of at least 1, or UNLIMITED, which is 0. xinetd's 0 lets
// nobody in; as a field it would let everybody in.
func limit(field func(*Service) *int) func(*Service, *line) {
	return func(s *Service, l *line) {
		n, err := strconv.Atoi(l.values[0])
		switch {
		case strings.EqualFold(l.values[0], "UNLIMITED"):
			*field(s) = 0
		case err != nil || n < 0:
			l.fail(l.values[0], errors.New("want a number, or UNLIMITED"))
		case n == 0:
			l.fail(l.values[0], errors.New("lets nobody in: disable = yes says so"))
		default:
			*field(s) = n
		}
	}
}

func setType(s *Service, l *line) {
	for _, v := range l.values {
		switch strings.ToUpper(v) {
		case "UNLISTED":
			s.Unlisted = true
		case "INTERNAL":
			s.Internal = true
		case "RPC":
			l.fail(v, errRPC)
		case "TCPMUX", "TCPMUXPLUS":
			l.fail(v, errTCPMux)
		default:
			l.fail(v, errors.New("want UNLISTED or INTERNAL"))
		}
	}
}

// flags has the words of the attribute; 0 is one that changes nothing.
var flags = map[string]Flags{
	"REUSE": 0, "NORETRY": 0, // what everybody does
	"NAMEINARGS": NameInArgs,
	"NOLIBWRAP":  NoLibwrap,
	"NODELAY":    NoDelay,
	"KEEPALIVE":  KeepAlive,
	"IDONLY":     IDOnly,
	"SENSOR":     Sensor,
	"IPV4":       flagIPv4,
	"IPV6":       flagIPv6,
}

func setFlags(s *Service, l *line) {
	for _, v := range l.values {
		f, ok := flags[strings.ToUpper(v)]
		switch {
		case strings.EqualFold(v, "INTERCEPT"):
			l.fail(v, errSecure)
		case strings.EqualFold(v, "LABELED"):
			l.fail(v, errSELinux)
		case !ok:
			l.fail(v, errors.New("no such flag"))
		}
		s.Flags |= f
	}
}

func setSocketType(s *Service, l *line) {
	switch v := strings.ToLower(l.values[0]); v {
	case "stream", "dgram":
		s.SocketType = v
	case "raw", "seqpacket":
		l.fail(l.values[0], errors.New("refused: stream and dgram are what there is"))
	default:
		l.fail(l.values[0], errors.New("want stream or dgram"))
	}
}

func setProtocol(s *Service, l *line) {
	switch v := strings.ToLower(l.values[0]); v {
	case "tcp", "udp":
		s.Protocol = v
	default:
		l.fail(l.values[0], errors.New("want tcp or udp"))
	}
}

func setPort(s *Service, l *line) {
	n, err := strconv.ParseUint(l.values[0], 10, 16)
	if err != nil || n == 0 {
		l.fail(l.values[0], errors.New("want a number from 1 to 65535"))
	}
	s.Port, s.port = uint16(n), true
}

func setBind(s *Service, l *line) {
	for _, v := range l.values {
		a, err := netip.ParseAddr(v)
		if err != nil {
			l.fail(v, errors.New("want an address of this machine; :: and 0.0.0.0 stand for all"))
			continue
		}
		s.Bind = append(s.Bind, a.Unmap())
	}
}

func setServer(s *Service, l *line) {
	s.Server = l.values[0]
	if !path.IsAbs(s.Server) {
		l.fail(s.Server, errFile)
	}
}

func setServerArgs(s *Service, l *line) { s.args = l.values }

func setNice(s *Service, l *line) {
	n, err := strconv.Atoi(l.values[0])
	if err != nil || n < -20 || n > 19 {
		l.fail(l.values[0], errors.New("want a number from -20 to 19"))
	}
	s.Nice = n
}

func setUmask(s *Service, l *line) {
	n, err := strconv.ParseUint(l.values[0], 8, 32)
	if err != nil || n > 0o777 {
		l.fail(l.values[0], errors.New("want an octal number up to 777"))
		return
	}
	mask := int(n)
	s.Umask = &mask
}

func setEnv(s *Service, l *line) {
	if l.op == set {
		s.Env = nil
	}
	for _, v := range l.values {
		name, _, ok := strings.Cut(v, "=")
		switch {
		case !ok || name == "":
			l.fail(v, errors.New("want NAME=value"))
		case name == relayClient:
			l.fail(v, errRelay)
		}
		s.Env = append(s.Env, v)
	}
}

func setPassEnv(s *Service, l *line) {
	if slices.Contains(l.values, relayClient) {
		l.fail(relayClient, errRelay)
	}
	s.PassEnv = edit(l, s.PassEnv)
}

// edit returns list after a line of a list attribute, without doubles.
func edit(l *line, list []string) []string {
	if l.op == set {
		list = nil
	}
	for _, v := range l.values {
		i := slices.Index(list, v)
		switch {
		case l.op == remove && i < 0:
			l.fail(v, errAbsent)
		case l.op == remove:
			list = slices.Delete(slices.Clone(list), i, i+1)
		case i < 0:
			list = append(list, v)
		}
	}
	return list
}

// rlimit sets one resource limit. A size may end in K or M; seconds and
// numbers of files may not.
func rlimit(resource string) func(*Service, *line) {
	return func(s *Service, l *line) {
		n, ok := size(l.values[0], resource != "cpu" && resource != "files")
		if !ok {
			l.fail(l.values[0], errors.New("want a number, for sizes with K or M behind it, or UNLIMITED"))
		}
		s.Rlimits = append(s.Rlimits, Rlimit{resource, n})
	}
}

func size(v string, suffix bool) (n uint64, ok bool) {
	if strings.EqualFold(v, "UNLIMITED") {
		return Infinity, true
	}
	shift := 0
	if suffix {
		switch v[len(v)-1] {
		case 'K', 'k':
			shift, v = 10, v[:len(v)-1]
		case 'M', 'm':
			shift, v = 20, v[:len(v)-1]
		}
	}
	n, err := strconv.ParseUint(v, 10, 64)
	return n << shift, err == nil && n <= math.MaxInt64>>shift
}

func setRate(s *Service, l *line) {
	r, err := rate.Parse(l.values[0])
	if err != nil {
		l.fail(l.values[0], errors.New("want a number and a period up to 24h, such as 10/s or 100/5m"))
	}
	s.Rate = r
}

// prefix sets a number of bits.
func prefix(most int, field func(*Service) *int) func(*Service, *line) {
	return func(s *Service, l *line) {
		n, err := strconv.Atoi(l.values[0])
		if err != nil || n < 1 || n > most {
			l.fail(l.values[0], fmt.Errorf("want a number of bits from 1 to %d", most))
		}
		*field(s) = n
	}
}

// duration sets a time above 0.
func duration(field func(*Service) *time.Duration) func(*Service, *line) {
	return func(s *Service, l *line) {
		d, err := time.ParseDuration(l.values[0])
		if err != nil || d <= 0 {
			l.fail(l.values[0], errors.New("want a number and its unit, such as 90s, 10m or 2h"))
		}
		*field(s) = d
	}
}

func setCPS(s *Service, l *line) {
	for i, v := range l.values {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > math.MaxInt32 {
			l.fail(v, errors.New("want connections in a second, and seconds of break"))
			continue
		}
		if i == 0 {
			s.CPS.Rate = n
		} else {
			s.CPS.Break = time.Duration(n) * time.Second
		}
	}
}

func setMaxLoad(s *Service, l *line) {
	load, err := strconv.ParseFloat(l.values[0], 64)
	if err != nil || !(load > 0) || math.IsInf(load, 0) {
		l.fail(l.values[0], errors.New("want a load average above 0"))
	}
	s.MaxLoad = load
}

func setDenyTime(s *Service, l *line) {
	n, err := strconv.Atoi(l.values[0])
	switch {
	case strings.EqualFold(l.values[0], "FOREVER"):
		s.DenyTime = math.MaxInt64
	case strings.EqualFold(l.values[0], "NEVER"):
		s.DenyTime = 0
	case err != nil || n < 1 || n > math.MaxInt32:
		l.fail(l.values[0], errors.New("want minutes, FOREVER or NEVER"))
	default:
		s.DenyTime = time.Duration(n) * time.Minute
	}
}

func setAccessTimes(s *Service, l *line) {
	for _, v := range l.values {
		from, to, _ := strings.Cut(v, "-")
		f, ok1 := clock(from)
		t, ok2 := clock(to)
		if !ok1 || !ok2 || f >= t {
			l.fail(v, errors.New("want H:MM-H:MM within one day, 23:59 at most; one over midnight is two"))
			continue
		}
		s.AccessTimes = append(s.AccessTimes, Interval{f, t})
	}
}

// clock returns the minutes since midnight.
func clock(s string) (minutes int, ok bool) {
	hour, minute, ok := strings.Cut(s, ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	return int(60*h + m), ok && err1 == nil && err2 == nil && h < 24 && m < 60
}

func setRedirect(s *Service, l *line) { s.Redirect = l.values }

// A Log is the attribute log_type: where the log of a service goes, in the
// format of xinetd. The zero Log is none but doorward's own.
type Log struct {
	File       string // its path
	Soft, Hard int64  // sizes in bytes, from which on there is a warning, and no more lines; 0: none

	Syslog   bool // the system log, with Priority
	Priority syslog.Priority
}

func setLogType(s *Service, l *line) {
	switch kind := strings.ToUpper(l.values[0]); {
	case kind == "FILE" && len(l.values) > 1 && path.IsAbs(l.values[1]):
		s.Log = Log{File: l.values[1]}
		for i, v := range l.values[2:] {
			n, ok := size(v, true)
			if !ok || n > math.MaxInt64/2 {
				l.fail(v, errors.New("want a size, with K or M behind it"))
				return
			}
			*[]*int64{&s.Log.Soft, &s.Log.Hard}[i] = int64(n)
		}
		if s.Log.Soft > 0 && s.Log.Hard == 0 {
			s.Log.Hard = s.Log.Soft + min(max(s.Log.Soft/100, 5<<10), 20<<10) // xinetd.conf(5): 1 %, 5K at least, 20K at most
		}
		if s.Log.Hard < s.Log.Soft {
			l.fail(l.values[3], errors.New("less than the soft limit before it"))
		}
	case kind == "SYSLOG" && (len(l.values) == 2 || len(l.values) == 3):
		level := append(slices.Clip(l.values), "info")[2]
		p, err := syslog.Priority(0).With(l.values[1] + "." + level)
		if err != nil {
			l.fail(l.values[1], err)
		}
		s.Log = Log{Syslog: true, Priority: p}
	default:
		l.fail(l.values[0], errors.New("want FILE path [soft [hard]], or SYSLOG facility [level]"))
	}
}

// logged sets the words of log_on_success or log_on_failure. To take away what
// is not there does no harm.
func logged(field func(*Service) *[]string, known ...string) func(*Service, *line) {
	return func(s *Service, l *line) {
		words := field(s)
		if l.op == set {
			*words = nil
		}
		for _, v := range l.values {
			word := strings.ToUpper(v)
			i := slices.Index(*words, word)
			switch {
			case !slices.Contains(known, word):
				l.fail(v, fmt.Errorf("want some of %s", strings.Join(known, " ")))
			case l.op == remove && i >= 0:
				*words = slices.Delete(slices.Clone(*words), i, i+1)
			case l.op == remove || i >= 0:
			case word == "TRAFFIC":
				l.warn(v, "nobody counts the bytes")
			default:
				*words = append(*words, word)
			}
		}
	}
}
