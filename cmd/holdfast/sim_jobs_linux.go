package main

import "syscall"

// diesWithParent has the kernel end a process when this one is killed, which can then
// not do it itself.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
