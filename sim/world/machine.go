package world

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"
)

// machine is one computer: a kernel, a container runtime and a kubelet.
type machine struct {
	spec NodeSpec
	// index is its place among the machines, from which its addresses come.
	index int
	// offset shifts its periodic work against that of the others.
	offset time.Duration
	// boots counts how often it was switched on.
	boots  int
	ledger *ledger
	link   *link
	// drivers are the CSI drivers that run on it.
	drivers []driver
	// mounts are of this boot.
	mounts  *mounts
	runtime *containerRuntime
	kubelet *kubelet
}

func newMachine(w *World, spec NodeSpec, index int, offset time.Duration) (*machine, error) {
	m := &machine{spec: spec, index: index, offset: offset, boots: 1, ledger: w.ledger, link: newLink(), drivers: w.storage.drivers}
	m.mounts = newMounts(spec.Name, w.ledger)
	m.runtime = newContainerRuntime(m)
	var err error
	m.kubelet, err = newKubelet(m, w.config.REST, &w.running)
	return m, err
}

// bootID names this boot, as /proc/sys/kernel/random/boot_id does.
func (m *machine) bootID() string { return fakeUUID(m.spec.Name, fmt.Sprint("boot", m.boots)) }

// machineID names the installation.
func (m *machine) machineID() string { return fakeUUID(m.spec.Name, "machine") }

// nodeIP is the machine's address.
func (m *machine) nodeIP() string { return address([4]byte{172, 16}, m.index+1) }

// podIP is the address of the nth pod that the machine ever ran. Every machine has
// a range of its own.
func (m *machine) podIP(n int) string {
	const perMachine = 1 << 13
	return address([4]byte{10}, m.index*perMachine+n%perMachine)
}

// address is the nth address after a network's.
func address(network [4]byte, n int) string {
	for i := 3; i > 0; i-- {
		network[i] += byte(n)
		n >>= 8
	}
	return netip.AddrFrom4(network).String()
}

// fakeUUID looks like a random UUID and is the same in every run.
func fakeUUID(of ...string) string {
	b := sha256.Sum256([]byte(fmt.Sprint(of)))
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
