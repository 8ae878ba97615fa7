package world

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

// machine is one computer: a kernel, a container runtime and a kubelet.
type machine struct {
	spec NodeSpec
	// index is its place among the machines, from which its addresses come.
	index int
	// offset shifts its periodic work against that of the others.
	offset time.Duration
	// attachLimit is how many disks its drivers say can be attached to it; 0: they do
	// not say.
	attachLimit atomic.Int32
	// clock is the time of day that it writes down.
	clock clock
	// inCloud: it is a cloud's instance.
	inCloud bool
	ledger  *ledger
	link    *link
	// drivers are the CSI drivers that run on it.
	drivers []driver
	// plugins is shut while they are not registered with the kubelet.
	plugins gate
	// mounts are of this boot.
	mounts  *mounts
	runtime *containerRuntime
	rest    func(userAgent string) *rest.Config
	// running is everything of the world that has not ended.
	running *sync.WaitGroup

	// mu guards the rest: faults come one at a time, but what they put off does not.
	// It is held while a kubelet ends, so no kubelet may ask for it.
	mu sync.Mutex
	// world ends with the world, and powered with the power; nil before the start.
	world, powered context.Context
	powerOff       context.CancelFunc
	// boots counts how often it was switched on.
	boots int
	// installations counts the machines that have had this place before.
	installations int
	// terminated: the cloud has taken it back.
	terminated bool
	// kubelet is the process that runs or, between two, the one that will.
	kubelet *kubelet
	// forgetLater calls off what was put off; nil: nothing was.
	forgetLater context.CancelFunc
}

func newMachine(w *World, spec NodeSpec, index int, offset time.Duration) (*machine, error) {
	m := &machine{
		spec: spec, index: index, offset: offset, ledger: w.ledger, link: newLink(),
		inCloud: w.config.Cloud, rest: w.config.REST, running: &w.running,
	}
	m.drivers = spec.runsOn(w.storage.drivers)
	m.attachLimit.Store(int32(spec.AttachLimit))
	m.mounts = newMounts(spec.Name, w.ledger)
	m.runtime = newContainerRuntime(m)
	if spec.Given != nil {
		m.takeUp(spec.Given, w.config.Disks)
	}
	var err error
	m.kubelet, err = newKubelet(m)
	return m, err
}

// start switches the machine on for the first time. Everything of it ends with ctx.
func (m *machine) start(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.world = ctx
	m.switchOn()
}

// hasPower is called with the lock held.
func (m *machine) hasPower() bool { return m.powered != nil && m.powered.Err() == nil }

// needPower is the error of what can only be done to a machine that runs. It is called
// with the lock held.
func (m *machine) needPower() error {
	if !m.hasPower() {
		return errors.New("the machine has no power")
	}
	return nil
}

// switchOn boots the machine. It is called with the lock held and no power.
func (m *machine) switchOn() {
	m.boots++
	m.powered, m.powerOff = context.WithCancel(m.world)
	m.link.powerOn()
	m.runtime.boot(m.powered, m.bootID())
	m.kubelet.start(m.powered, m.bootID())
}

// losePower ends everything that runs on the machine. It is called with the lock held.
func (m *machine) losePower() error {
	// Whatever was put off: a machine that crashed does not come back by itself.
	m.callOff()
	if !m.hasPower() {
		return nil
	}
	m.link.powerOff()
	m.powerOff()
	next, err := newKubelet(m)
	if err != nil {
		return err
	}
	m.kubelet.stop()
	m.kubelet = next
	m.runtime.losePower()
	m.mounts.lost()
	return nil
}

// later puts something off, called with the lock held. Whatever was put off before
// is called off.
func (m *machine) later(d time.Duration, f func()) {
	m.callOff()
	ctx, cancel := context.WithCancel(m.world)
	m.forgetLater = cancel
	m.running.Go(func() {
		defer cancel()
		if sleep(ctx, d) != nil {
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		// Called off at the same instant, or the end of the world.
		if ctx.Err() == nil {
			f()
		}
	})
}

// callOff is called with the lock held.
func (m *machine) callOff() {
	if m.forgetLater != nil {
		m.forgetLater()
		m.forgetLater = nil
	}
}

// bootID names this boot, as /proc/sys/kernel/random/boot_id does.
func (m *machine) bootID() string {
	if given := m.givenBootID(); given != "" && m.boots <= 1 {
		return given
	}
	return fakeUUID(m.spec.Name, fmt.Sprint("boot", max(m.boots, 1)))
}

// machineID names the installation.
func (m *machine) machineID() string {
	if m.installations == 0 {
		return fakeUUID(m.spec.Name, "machine")
	}
	return fakeUUID(m.spec.Name, fmt.Sprint("machine", m.installations))
}

// nodeIP is the machine's address.
func (m *machine) nodeIP() string {
	if given := m.givenIP(); given != "" {
		return given
	}
	return address([4]byte{172, 16}, m.index+1)
}

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
