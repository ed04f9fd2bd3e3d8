package xinetd

import (
	"errors"
	"fmt"
	"time"

	"doorward/acl/dnsbl"
)

// An attribute is a row of the table: what a name takes, and who sets it.
type attribute struct {
	where    where
	min, max int // number of values; max < 0: any number
	ops      op  // operators it takes

	// set puts the values of a line into a service. It tells the line of what
	// it cannot take. It must not look at other attributes: they may be
	// further down. That is for check.
	set func(s *Service, l *line)

	literal bool   // a # may begin a value
	is      string // the attribute it is another name for
}

// Where an attribute may be.
type where uint8

const (
	inService where = 1 << iota
	inDefaults
	anywhere = inService | inDefaults
)

const (
	change = set | add | remove
	many   = -1 // values
)

// attributes is all of the language: xinetd.conf(5) as the program has it,
// then doorward's own.
var attributes = map[string]*attribute{
	"disable":     {where: inService, min: 1, max: 1, ops: set, set: setDisable},
	"id":          {where: inService, min: 1, max: 1, ops: set, set: text(func(s *Service) *string { return &s.ID })},
	"type":        {where: inService, min: 1, max: many, ops: set, set: setType},
	"flags":       {where: inService, max: many, ops: set, set: setFlags},
	"socket_type": {where: inService, min: 1, max: 1, ops: set, set: setSocketType},
	"protocol":    {where: inService, min: 1, max: 1, ops: set, set: setProtocol},
	"wait":        {where: inService, min: 1, max: 1, ops: set, set: setWait},
	"port":        {where: inService, min: 1, max: 1, ops: set, set: setPort},
	"bind":        {where: anywhere, min: 1, max: many, ops: set, set: setBind},
	"interface":   {where: anywhere, min: 1, max: many, ops: set, set: setBind, is: "bind"},
	"v6only":      {where: anywhere, min: 1, max: 1, ops: set, set: boolean(func(s *Service) *bool { return &s.v6only })},

	"user":        {where: inService, min: 1, max: 1, ops: set, set: text(func(s *Service) *string { return &s.user })},
	"group":       {where: inService, min: 1, max: 1, ops: set, set: text(func(s *Service) *string { return &s.group })},
	"groups":      {where: anywhere, min: 1, max: 1, ops: set, set: boolean(func(s *Service) *bool { return &s.Groups })},
	"server":      {where: inService, min: 1, max: 1, ops: set, set: setServer},
	"server_args": {where: inService, max: many, ops: set, set: setServerArgs, literal: true},
	"libwrap":     {where: inService, min: 1, max: 1, ops: set, set: text(func(s *Service) *string { return &s.libwrap })},
	"env":         {where: inService, max: many, ops: set | add, set: setEnv},
	"passenv":     {where: anywhere, max: many, ops: change, set: setPassEnv},
	"umask":       {where: anywhere, min: 1, max: 1, ops: set, set: setUmask},
	"nice":        {where: inService, min: 1, max: 1, ops: set, set: setNice},

	"rlimit_as":    {where: inService, min: 1, max: 1, ops: set, set: rlimit("as")},
	"rlimit_cpu":   {where: inService, min: 1, max: 1, ops: set, set: rlimit("cpu")},
	"rlimit_data":  {where: inService, min: 1, max: 1, ops: set, set: rlimit("data")},
	"rlimit_files": {where: inService, min: 1, max: 1, ops: set, set: rlimit("files")},
	"rlimit_rss":   {where: inService, min: 1, max: 1, ops: set, set: rlimit("rss")},
	"rlimit_stack": {where: inService, min: 1, max: 1, ops: set, set: rlimit("stack")},

	"only_from":    {where: anywhere, max: many, ops: change, set: list(func(s *Service) **words { return &s.onlyFrom })},
	"no_access":    {where: anywhere, max: many, ops: change, set: list(func(s *Service) **words { return &s.noAccess })},
	"access_times": {where: inService, min: 1, max: many, ops: set, set: setAccessTimes},
	"instances":    {where: anywhere, min: 1, max: 1, ops: set, set: limit(func(s *Service) *int { return &s.Instances })},
	"per_source":   {where: anywhere, min: 1, max: 1, ops: set, set: limit(func(s *Service) *int { return &s.PerSource })},
	"cps":          {where: anywhere, min: 2, max: 2, ops: set, set: setCPS},
	"max_load":     {where: anywhere, min: 1, max: 1, ops: set, set: setMaxLoad},
	"deny_time":    {where: inService, min: 1, max: 1, ops: set, set: setDenyTime},

	"banner":         {where: anywhere, min: 1, max: 1, ops: set, set: file(func(s *Service) *string { return &s.Banner })},
	"banner_success": {where: anywhere, min: 1, max: 1, ops: set, set: file(func(s *Service) *string { return &s.BannerSuccess })},
	"banner_fail":    {where: anywhere, min: 1, max: 1, ops: set, set: file(func(s *Service) *string { return &s.BannerFail })},
	"redirect":       {where: inService, min: 2, max: 2, ops: set, set: setRedirect},

	"log_type":       {where: anywhere, min: 1, max: 4, ops: set, set: setLogType},
	"log_on_success": {where: anywhere, max: many, ops: change, set: logged(func(s *Service) *[]string { return &s.LogSuccess }, "PID", "HOST", "USERID", "EXIT", "DURATION", "TRAFFIC")},
	"log_on_failure": {where: anywhere, max: many, ops: change, set: logged(func(s *Service) *[]string { return &s.LogFailure }, "HOST", "USERID", "ATTEMPT")},

	"enabled":  {where: inDefaults, max: many, ops: change, set: nothing},
	"disabled": {where: inDefaults, max: many, ops: change, set: nothing},

	"rpc_version": {where: inService, min: 1, max: 1, ops: set, set: refused(errRPC)},
	"rpc_number":  {where: inService, min: 1, max: 1, ops: set, set: refused(errRPC)},
	"mdns":        {where: anywhere, min: 1, max: 1, ops: set, set: ignored("for macOS only, nobody is told of the service")},

	"rules":          {where: anywhere, max: many, ops: change, set: setRules},
	"relay_from":     {where: anywhere, max: many, ops: change, set: setRelayFrom},
	"proxy_protocol": {where: anywhere, max: many, ops: change, set: setProxyProtocol},
	"relayclient":    {where: anywhere, max: 1, ops: set, set: setRelayClient},
	"lookup":         {where: anywhere, max: many, ops: change, set: setLookup},
	"rate":           {where: anywhere, min: 1, max: 1, ops: set, set: setRate},
	"per_prefix":     {where: anywhere, min: 1, max: 1, ops: set, set: limit(func(s *Service) *int { return &s.PerPrefix })},
	"prefix_v4":      {where: anywhere, min: 1, max: 1, ops: set, set: prefix(32, func(s *Service) *int { return &s.PrefixV4 })},
	"prefix_v6":      {where: anywhere, min: 1, max: 1, ops: set, set: prefix(128, func(s *Service) *int { return &s.PrefixV6 })},
	"max_session":    {where: anywhere, min: 1, max: 1, ops: set, set: duration(func(s *Service) *time.Duration { return &s.MaxSession })},
	"decide_timeout": {where: anywhere, min: 1, max: 1, ops: set, set: duration(func(s *Service) *time.Duration { return &s.DecideTimeout })},
	"stderr":         {where: anywhere, min: 1, max: 1, ops: set, set: setStderr},

	"dnsbl":           {where: anywhere, min: 1, max: many, ops: set | add, set: zones(dnsbl.ParseZones, func(d *DNSLists) *[]dnsbl.Zone { return &d.block })},
	"dnswl":           {where: anywhere, min: 1, max: many, ops: set | add, set: zones(dnsbl.ParseAllow, func(d *DNSLists) *[]dnsbl.Zone { return &d.allow })},
	"dnsbl_threshold": {where: anywhere, min: 1, max: 1, ops: set, set: setDNSBLThreshold},
	"dnsbl_action":    {where: anywhere, min: 1, max: 1, ops: set, set: setDNSBLAction},
	"dnsbl_reply":     {where: anywhere, min: 1, max: many, ops: set, set: setDNSBLReply},
	"dns":             {where: anywhere, min: 1, max: many, ops: set, set: setDNS},
}

// check says what is wrong with a line whatever service it is in.
func (l *line) check() {
	l.cutComment()
	a := l.attr
	switch n := len(l.values); {
	case a.ops&l.op == 0:
		l.fail(l.op.String(), fmt.Errorf("%s takes %v only", l.name, a.ops))
	case n < a.min && a.min == 1:
		l.fail(l.name, errors.New("wants a value"))
	case n < a.min:
		l.fail(l.name, fmt.Errorf("wants %d values", a.min))
	case a.max >= 0 && n > a.max:
		l.fail(l.values[a.max], fmt.Errorf("one value too many for %s", l.name))
	default:
		if l.op != remove { // which depends on what is there
			a.set(new(Service), l)
		}
		l.ok = len(l.errs) == 0
	}
}

// key is what a line sets: attributes that are two names for one have one key.
func (l *line) key() string {
	if l.attr.is != "" {
		return l.attr.is
	}
	return l.name
}

// isList reports whether lines of the attribute add up.
func (a *attribute) isList() bool { return a.ops&add != 0 }
