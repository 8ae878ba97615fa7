//go:build !linux

package main

import "syscall"

// diesWithParent: only Linux can.
func diesWithParent() *syscall.SysProcAttr { return nil }
