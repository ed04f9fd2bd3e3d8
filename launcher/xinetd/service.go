package xinetd

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"time"

	"doorward/acl"
	"doorward/acl/onlyfrom"
	"doorward/launcher/rate"
)

// A Service is one service entry with what it takes from defaults: plain data
// that does not change. The zero value of a field is xinetd's default, unless
// the field says otherwise.
type Service struct {
	Name     string // service NAME
	ID       string // the name, unless id says otherwise; in logs and for systemd
	Pos      acl.Pos
	Disabled bool // by disable, or by enabled or disabled of defaults

	Unlisted bool // type = UNLISTED: Name is not in services(5)
	Internal bool // type = INTERNAL: Name is one of builtin.Small

	SocketType string // "stream" or "dgram"
	Protocol   string // "tcp" or "udp"
	Family     Family
	Bind       []netip.Addr // addresses to listen on; none: all of Family
	Port       uint16
	Wait       bool // the program accepts connections itself

	Cred   *Credential // nil: the running user, who is not root then
	Groups bool        // the program gets the supplementary groups of its user

	Server string   // path of the program
	Argv   []string // its arguments, its own name first
	Daemon string   // name for hosts.allow and hosts.deny

	Env     []string // NAME=value
	PassEnv []string // names of variables to pass on; nothing else is

	Flags       Flags
	Nice        int
	Umask       *int // nil: not given
	Rlimits     []Rlimit
	Instances   int // running at once; 0: any number
	PerSource   int // of those, for one client address; 0: any number
	CPS         CPS
	MaxLoad     float64    // load average (1 min) from which on nobody gets in; 0: any
	AccessTimes []Interval // when clients get in; none: always

	Access onlyfrom.Access // only_from and no_access

	Banner, BannerSuccess, BannerFail string   // files
	Redirect                          []string // host and the number of its port
	DenyTime                          time.Duration

	Log                    Log
	LogSuccess, LogFailure []string // words of log_on_success and log_on_failure, in capitals

	// Rules are the policies to ask after Access, in order, as words for
	// launcher/rules: "hosts" first, unless flags has NOLIBWRAP or rules puts
	// it elsewhere.
	Rules []string

	Rate               rate.Rate     // how often the clients of one prefix may come
	PerPrefix          int           // sessions at once of the clients of one prefix; 0: any number
	PrefixV4, PrefixV6 int           // bits of a prefix; 0: 32 and 64
	MaxSession         time.Duration // after which a session is ended; 0: never
	DecideTimeout      time.Duration // how long finding out about a client may take in all; 0: doorward's own limits

	// ProxyProtocol are the proxies, in canonical form, that connect for
	// clients and say in a PROXY header for whom; none: clients come
	// themselves.
	ProxyProtocol []netip.Prefix

	RelayFrom   []netip.Prefix // networks for whose clients RELAYCLIENT is set, in canonical form
	RelayClient string         // the value it is set to
	Lookup      []acl.Kind     // facts the program is told even if no rule asked
	Stderr      Stderr

	DNSLists DNSLists // asked last, about clients that may not relay

	lines     []*line
	written   map[string]*line // by key, those in its own entry
	errs      []error          // mistakes in its own entry
	inherited []error          // those in defaults
	user      string
	group     string
	args      []string
	libwrap   string
	v6only    bool
	onlyFrom  *words // nil: not given
	noAccess  *words
	port      bool // was given
	wait      bool // was given
}

// A Family says which clients a service without an address of its own is for.
type Family uint8

const (
	AnyFamily Family = iota // IPv4 and IPv6
	IPv4                    // flags = IPv4
	IPv6Only                // v6only = yes
)

// Stderr says what the program's descriptor 2 is.
type Stderr uint8

const (
	StderrLog    Stderr = iota // doorward's log
	StderrSocket               // the connection, as under xinetd
)

// Flags are the words of the attribute flags that change something.
type Flags uint16

const (
	NameInArgs Flags = 1 << iota // the first of server_args is the program's own name
	NoLibwrap                    // hosts.allow and hosts.deny are not asked
	NoDelay                      // TCP_NODELAY
	KeepAlive                    // SO_KEEPALIVE
	IDOnly                       // only clients whom an ident server knows
	Sensor                       // whoever connects is kept out of every service for a while
	flagIPv4
	flagIPv6
)

// A Credential is who the program runs as.
type Credential struct {
	UID, GID uint32
	Groups   []uint32 // supplementary groups; nil: none
}

// CPS is the attribute cps: after Rate connections in a second the service
// takes a break. The zero CPS is off.
type CPS struct {
	Rate  int
	Break time.Duration
}

// An Interval is a part of the day, from one minute to another, both
// included, in minutes since midnight.
type Interval struct{ From, To int }

// An Rlimit is a resource limit, soft and hard.
type Rlimit struct {
	Resource string // as, cpu, data, files, rss or stack
	Value    uint64 // in bytes, cpu in seconds; Infinity: none
}

// Infinity as Rlimit.Value is no limit, in Go as in setrlimit(2).
const Infinity = math.MaxUint64

// Err joins a *acl.SyntaxError for every mistake in the service and in the
// defaults it is built on; nil: it can be started.
func (s *Service) Err() error { return errors.Join(append(slices.Clip(s.inherited), s.errs...)...) }

// Startable reports whether the service is neither disabled nor mistaken.
func (s *Service) Startable() bool { return !s.Disabled && len(s.errs) == 0 && len(s.inherited) == 0 }

// Key tells the services of a configuration apart.
func (s *Service) Key() string { return s.ID + "/" + s.Protocol }

// At returns where an attribute of the service was set last, in the service
// or in defaults. An attribute that was not is where the service is.
func (s *Service) At(name string) acl.Pos {
	for _, l := range slices.Backward(s.lines) {
		if l.key() == name {
			return l.pos
		}
	}
	return s.Pos
}

// has reports whether an attribute was set, in the service or in defaults.
func (s *Service) has(name string) bool {
	return slices.ContainsFunc(s.lines, func(l *line) bool { return l.key() == name })
}

// An Attribute is one line of a service.
type Attribute struct {
	Name   string
	Op     string // =, += or -=
	Values []string
	Pos    acl.Pos
}

// Attributes calls yield for every line that makes up the service, those of
// defaults included, in the order in which they count.
func (s *Service) Attributes(yield func(Attribute) bool) {
	for _, l := range s.lines {
		if !yield(Attribute{l.name, l.op.String(), l.values, l.pos}) {
			return
		}
	}
}

// Environ returns the environment the program's starts from: the variables of
// passenv, then those of env.
func (s *Service) Environ(lookup func(name string) (value string, ok bool)) []string {
	var env []string
	for _, name := range s.PassEnv {
		if v, ok := lookup(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, s.Env...)
}

// words are the value of a list attribute with the places of its words.
type words struct {
	pos   acl.Pos
	words []onlyfrom.Word
}
