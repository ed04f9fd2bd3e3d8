package main

import (
	"doorward/cmd/internal/xinetdhost"
	"doorward/launcher"
	"doorward/launcher/run"
	"doorward/launcher/xinetd"
)

func host() xinetd.Host { return xinetdhost.Host() }

func user(name string) (xinetd.User, bool) { return xinetdhost.User(name) }

func programOf(service *xinetd.Service) (run.Program, error) { return xinetdhost.Program(service) }

func environ(service *xinetd.Service) []string { return xinetdhost.Environ(service) }

// conditions says when a service takes clients, in the order in which xinetd
// looks.
func conditions(service *xinetd.Service) (cs []launcher.Condition) {
	if service.MaxLoad > 0 {
		cs = append(cs, launcher.LoadBelow(service.MaxLoad, launcher.SystemLoad))
	}
	if len(service.AccessTimes) == 0 {
		return cs
	}
	intervals := make([]launcher.Interval, len(service.AccessTimes))
	for i, t := range service.AccessTimes {
		intervals[i] = launcher.Interval(t)
	}
	return append(cs, launcher.During(intervals))
}
