package xinetd

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"

	"doorward/launcher/builtin"
)

// check looks at a service as a whole, against the host.
func (p *parser) check(s *Service) {
	s.checkSocket(p)
	s.checkPort(p)
	s.checkUser(&p.host)
	s.checkServer(&p.host)
	s.checkAccess(p)
	s.checkDNSLists(p)
	if s.Flags&Sensor != 0 && s.DenyTime == 0 {
		p.warn(s.At("flags"), "SENSOR", "keeps nobody out, and only logs: there is no deny_time, or it is NEVER")
	}
	if s.Flags&IDOnly != 0 && !slices.Contains(s.LogSuccess, "USERID") {
		p.warn(s.At("flags"), "IDONLY", "keeps clients without a user out; xinetd lets everybody in where log_on_success does not have USERID")
	}
	if len(s.RelayFrom) == 0 && s.RelayClient != "" {
		p.warn(s.At("relayclient"), s.RelayClient, "for nobody: there is no relay_from")
	}
}

// checkSocket settles which socket the service listens on.
func (s *Service) checkSocket(p *parser) {
	if s.SocketType == "" && s.Protocol == "" {
		s.missing("socket_type", "")
		return
	}
	stream := s.SocketType == "stream" || s.SocketType == "" && s.Protocol == "tcp"
	s.SocketType = pick(s.SocketType, stream, "stream", "dgram")
	s.Protocol = pick(s.Protocol, stream, "tcp", "udp")
	switch {
	case stream != (s.Protocol == "tcp"):
		s.fail("protocol", s.Protocol, fmt.Errorf("does not go with socket_type = %s", s.SocketType))
	case !s.wait:
		s.missing("wait", "")
	case !stream && !s.Wait:
		s.fail("wait", "no", errors.New("does not go with socket_type = dgram: the program and doorward would read the same datagrams"))
	case s.Wait:
		s.checkWait(p)
	}
	switch {
	case s.v6only:
		s.Family = IPv6Only
	case s.Flags&flagIPv4 != 0 && s.Flags&flagIPv6 == 0:
		s.Family = IPv4
	}
	for _, a := range s.Bind {
		if a.Is4() == (s.Family == IPv6Only) && s.Family != AnyFamily {
			s.fail("bind", a.String(), errors.New("not an address of the family that flags or v6only say"))
		}
	}
}

// checkWait looks for what cannot be had where the program accepts its clients
// itself. xinetd then keeps everybody out, or does nothing at all.
func (s *Service) checkWait(p *parser) {
	if s.Protocol == "tcp" {
		for _, name := range []string{"only_from", "no_access", "per_source", "per_prefix", "rate"} {
			if s.has(name) {
				s.fail(name, name, errWait)
			}
		}
	}
	switch {
	case len(s.ProxyProtocol) > 0:
		s.fail("proxy_protocol", "proxy_protocol", errOwnAccept)
	case s.Redirect != nil:
		s.fail("redirect", "redirect", errOwnAccept)
	case s.Internal && s.Protocol == "tcp": // udp is refused anyway
		s.fail("type", "INTERNAL", errOwnAccept)
	}
	if s.Flags&IDOnly != 0 {
		s.fail("flags", "IDONLY", errWait)
	}
	for _, name := range []string{"banner", "banner_success", "banner_fail", "relay_from", "lookup"} {
		if s.has(name) {
			p.warn(s.At(name), name, "has no effect with wait = yes")
		}
	}
	if s.CPS == (CPS{}) && !s.has("cps") {
		s.CPS = CPS{50, 10 * time.Second} // as in xinetd: a program that leaves its clients in the queue is started again and again
	}
}

func pick(given string, first bool, a, b string) string {
	switch {
	case given != "":
		return given
	case first:
		return a
	}
	return b
}

func (s *Service) checkPort(p *parser) {
	listed, ok := p.host.port(s.Name, s.Protocol)
	switch {
	case s.Unlisted && !s.port:
		s.missing("port", ", because type is UNLISTED")
	case s.Unlisted:
	case !s.port && !ok:
		s.missing("port", ": services(5) does not have it")
	case !s.port:
		s.Port = listed
	case !ok:
		p.warn(s.At("port"), s.Name, "not in services(5), so xinetd wants type = UNLISTED")
	case listed != s.Port:
		s.fail("port", strconv.Itoa(int(s.Port)), fmt.Errorf("%s is port %d in services(5): type = UNLISTED, or another name", s.Name, listed))
	}
}

// checkUser settles who the program runs as. Only root can choose.
func (s *Service) checkUser(h *Host) {
	if s.user == "" {
		switch {
		case s.Internal:
		case h.UID == 0:
			s.missing("user", "")
		case s.group != "":
			s.fail("group", s.group, errors.New("there is no user to go with it"))
		}
		return
	}
	gid, hasGroup := h.group(s.group)
	if s.group != "" && !hasGroup {
		s.fail("group", s.group, errors.New("no such group"))
		return
	}
	u, ok := h.user(s.user, gid, hasGroup)
	switch {
	case !ok:
		s.fail("user", s.user, errors.New("no such user"))
		return
	case h.UID == 0:
	case u.UID != h.UID:
		s.fail("user", s.user, errors.New("only root can start programs as somebody else"))
		return
	case hasGroup && gid != h.GID:
		s.fail("group", s.group, errors.New("only root can start programs in another group"))
		return
	default:
		return
	}
	s.Cred = &Credential{UID: u.UID, GID: u.GID}
	if hasGroup {
		s.Cred.GID = gid
	}
	if s.Groups {
		s.Cred.Groups = u.Groups
	}
}

// user looks a user up. A number that the database does not have needs a
// group; xinetd takes the same number for that.
func (h *Host) user(name string, gid uint32, hasGroup bool) (User, bool) {
	if h.User != nil {
		if u, ok := h.User(name); ok {
			return u, true
		}
	}
	uid, err := strconv.ParseUint(name, 10, 31)
	return User{UID: uint32(uid), GID: gid}, err == nil && hasGroup
}

func (h *Host) group(name string) (gid uint32, ok bool) {
	if h.Group != nil && name != "" {
		if gid, ok := h.Group(name); ok {
			return gid, true
		}
	}
	n, err := strconv.ParseUint(name, 10, 31)
	return uint32(n), err == nil
}

func (s *Service) checkServer(h *Host) {
	s.Daemon = s.Name
	switch {
	case s.Internal:
		s.checkInternal()
		return
	case s.Flags&Sensor != 0:
		s.fail("flags", "SENSOR", errors.New("needs type = INTERNAL: it has no program"))
		return
	case s.Redirect != nil:
		s.checkRedirect(h)
		return
	case s.Server == "":
		s.missing("server", "")
		return
	}
	info, err := h.FS.Stat(s.Server)
	switch {
	case err != nil:
		s.fail("server", s.Server, reason(err))
	case !info.Mode().IsRegular():
		s.fail("server", s.Server, errPlain)
	case info.Mode().Perm()&0o111 == 0:
		s.fail("server", s.Server, errors.New("not executable"))
	}
	s.Argv = append([]string{path.Base(s.Server)}, s.args...)
	if s.Flags&NameInArgs != 0 {
		s.Argv = s.args
		if len(s.args) == 0 {
			s.fail("flags", "NAMEINARGS", errors.New("needs server_args, the first of which is the name"))
			return
		}
	}
	s.Daemon = path.Base(s.Argv[0])
	if s.libwrap != "" {
		s.Daemon = s.libwrap
	}
}

// checkInternal settles which of the small services it is.
func (s *Service) checkInternal() {
	switch {
	case s.Protocol == "udp":
		s.fail("type", "INTERNAL", errSmallUDP)
	case s.Flags&Sensor != 0:
	case builtin.Small(s.Name, nil) == nil:
		s.fail("type", "INTERNAL", errors.New("want one of the services echo, discard, time, daytime and chargen"))
	case s.Redirect != nil:
		s.fail("redirect", s.Redirect[0], errors.New("does not go with type = INTERNAL"))
	}
}

// checkRedirect makes a number of the port.
func (s *Service) checkRedirect(h *Host) {
	n, err := strconv.ParseUint(s.Redirect[1], 10, 16)
	listed, ok := h.port(s.Redirect[1], "tcp")
	switch {
	case s.Server != "":
		s.fail("server", s.Server, errors.New("does not go with redirect"))
	case s.Protocol == "udp":
		s.fail("redirect", s.Redirect[0], errors.New("is for TCP only"))
	case err == nil && n > 0:
	case !ok:
		s.fail("redirect", s.Redirect[1], errors.New("want a port, or a service that services(5) has"))
	default:
		s.Redirect = []string{s.Redirect[0], strconv.Itoa(int(listed))}
	}
}

func (s *Service) checkAccess(p *parser) {
	only, err1 := s.onlyFrom.compile()
	no, err2 := s.noAccess.compile()
	s.Access.Only, s.Access.No = only, no
	if err := errors.Join(err1, err2); err != nil && s.Startable() {
		s.fail("only_from", s.Name, err) // not told of its line yet
	}
	for _, w := range s.Access.Shadowed() {
		p.warn(w.Pos, w.Text, fmt.Sprintf("lets nobody in: no_access at %v has it too, and wins whatever the manual says", s.At("no_access")))
	}
	if s.Flags&NoLibwrap == 0 && !slices.Contains(s.Rules, "hosts") {
		s.Rules = slices.Insert(slices.Clone(s.Rules), 0, "hosts")
	}
}
