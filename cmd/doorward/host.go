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

func conditions(service *xinetd.Service) []launcher.Condition { return xinetdhost.Conditions(service) }
