package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/attest"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// reasonBytesMax is what the record takes.
const reasonBytesMax = 1024

// The values of --dry-run.
const (
	dryRunNone   = "none"
	dryRunServer = "server"
)

// releaseOptions are the flags of release.
type releaseOptions struct {
	program           string
	terminal          bool
	flags             *genericclioptions.ConfigFlags
	reason            string
	podUID            string
	coversAttachments bool
	yes               bool
	dryRun            string
	wait              bool
	timeout           time.Duration
}

func newReleaseCommand(program string, terminal bool) *cobra.Command {
	o := &releaseOptions{program: program, terminal: terminal, flags: genericclioptions.NewConfigFlags(true)}
	c := &cobra.Command{
		Use:   "release POD --reason REASON",
		Short: "Attest that the incarnation of a held ordinal is over, so that the next one may run",
		Long: `Attest that the latest incarnation of an ordinal is over: no container of it runs, and
none will. Use it when you know that: the machine is off, or you have looked.

Your word goes on the record in the name by which the API server knows you, with your
reason, and is not taken back. Holdfast takes it and cannot check it. If it is not so,
two of the ordinal run at once.

It shows what is about to be said and asks for the name of the pod; where nobody can be
asked, --yes says it. It does nothing where a word would do nothing: if the ordinal is
not held, or its pod is not being deleted.

Exit codes: 0 it is released; 1 a word would do nothing, or nothing came of it in time;
2 the command line is wrong; 3 the cluster refused or could not be reached.`,
		Example: `  # The machine that db-0 ran on is off
  holdfast release db-0 --reason "rack 4 has no power, checked in the data centre"

  # From a script: about exactly this incarnation, or not at all
  holdfast release db-0 --pod-uid 2f9b4f0c-6c7e-4c0f-8f4e-0f1a3b9a7d11 --reason "instance i-1 terminated" --yes

  # The machine is cut off from the storage too: nobody need wait for a VolumeAttachment
  holdfast release db-0 --covers-attachments --reason "powered off by its BMC"

  # Would the cluster take my word?
  holdfast release db-0 --reason "a try" --dry-run=server`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), c.InOrStdin(), c.OutOrStdout(), args[0])
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return recordNames(c.Context(), o.flags), cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := c.Flags()
	f.StringVar(&o.reason, "reason", "", "how you know; it goes on the record")
	f.StringVar(&o.podUID, "pod-uid", "", "the incarnation that you mean; refused if it is not the latest")
	f.BoolVar(&o.coversAttachments, "covers-attachments", false, "you also know that the machine writes none of the pod's volumes any more")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.StringVar(&o.dryRun, "dry-run", dryRunNone, "none, or server: only ask the API server whether it would take it")
	f.BoolVar(&o.wait, "wait", true, "wait until it is released")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long to wait")
	complete(c, "dry-run", dryRunNone, dryRunServer)
	addClusterFlags(c, o.flags)
	if err := c.MarkFlagRequired("reason"); err != nil {
		panic(err) // The flag's name is wrong.
	}
	return c
}

func (o *releaseOptions) validate() error {
	switch {
	case strings.TrimSpace(o.reason) == "":
		return errors.New("--reason: must say how you know")
	case len(o.reason) > reasonBytesMax:
		return fmt.Errorf("--reason: must have at most %d bytes, has %d", reasonBytesMax, len(o.reason))
	case o.dryRun != dryRunNone && o.dryRun != dryRunServer:
		return fmt.Errorf("--dry-run %q: must be none or server", o.dryRun)
	case o.timeout <= 0:
		return fmt.Errorf("--timeout %s: must be more than 0", o.timeout)
	}
	return nil
}

func (o *releaseOptions) run(ctx context.Context, in io.Reader, out io.Writer, arg string) error {
	if err := o.validate(); err != nil {
		return &exitError{exitInput, err}
	}
	c, err := cluster.Connect(o.flags)
	if err != nil {
		return &exitError{exitInput, err}
	}
	id, named := identity.Named(c.Namespace, strings.TrimPrefix(strings.TrimPrefix(arg, "pod/"), "tenancy/"))
	if !named {
		return &exitError{exitInput, fmt.Errorf("%s: no ordinal of a StatefulSet has this name", arg)}
	}
	d, podUID, err := o.look(ctx, c, id, types.UID(o.podUID))
	if err != nil {
		return err
	}
	if given := attest.Given(d.Record, podUID); given != nil {
		fmt.Fprintf(out, "%s has attested this already: %q. A word is not altered.\n", given.By, given.Reason)
		return o.await(ctx, out, c, id, podUID)
	}
	by, err := attest.Who(ctx, c)
	if err != nil {
		return failed(err)
	}
	word := v1alpha1.Attestation{PodUID: podUID, Reason: o.reason, By: by, CoversAttachments: o.coversAttachments}
	if err := attest.Statement(out, d, word, time.Now()); err != nil {
		return failed(err)
	}
	if o.dryRun == dryRunServer {
		if err := attest.Give(ctx, c, id, word, true); err != nil {
			return failed(err)
		}
		fmt.Fprintln(out, "\nThe API server would take it. Nothing was said (--dry-run=server).")
		return nil
	}
	if err := o.ask(in, out, id); err != nil {
		return err
	}
	// Typing takes time, in which the ordinal may have been released and started anew.
	if _, _, err := o.look(ctx, c, id, podUID); err != nil {
		return err
	}
	if err := attest.Give(ctx, c, id, word, false); err != nil {
		return failed(err)
	}
	fmt.Fprintf(out, "\nAttested by %s.\n", by)
	return o.await(ctx, out, c, id, podUID)
}

// look reads the ordinal and says whether a word about it would do anything.
func (o *releaseOptions) look(ctx context.Context, c *cluster.Cluster, id identity.Identity, podUID types.UID) (*cluster.Detail, types.UID, error) {
	d, err := c.Detail(ctx, id)
	if err != nil {
		return nil, "", failed(err)
	}
	podUID, err = attest.Check(d, podUID)
	if err != nil {
		return nil, "", &exitError{exitUnmet, err}
	}
	return d, podUID, nil
}

// ask has the name of the pod typed.
func (o *releaseOptions) ask(in io.Reader, out io.Writer, id identity.Identity) error {
	if o.yes {
		return nil
	}
	return confirm(in, out, o.terminal, "the name of the pod", id.Name())
}

// confirm has a word typed, and says what the word is; where nobody can be asked it
// refuses.
func confirm(in io.Reader, out io.Writer, terminal bool, what, word string) error {
	if !terminal {
		return &exitError{exitInput, errors.New("there is no terminal to ask at: say --yes if you mean it")}
	}
	fmt.Fprintf(out, "\nTo go on, type %s, %s: ", what, word)
	typed, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return failed(err)
	}
	if strings.TrimSpace(typed) != word {
		return &exitError{exitUnmet, errors.New("that is not it: nothing was done")}
	}
	return nil
}

// await waits for what comes of the word, and tells it.
func (o *releaseOptions) await(ctx context.Context, out io.Writer, c *cluster.Cluster, id identity.Identity, podUID types.UID) error {
	if !o.wait || o.dryRun == dryRunServer {
		return nil
	}
	fmt.Fprintf(out, "Waiting until the guard acts on it, at most %s.\n", o.timeout)
	evidence, err := attest.Await(ctx, c, id, podUID, o.timeout)
	switch {
	case errors.Is(err, attest.ErrNotYet):
		return &exitError{exitUnmet, fmt.Errorf("%w after %s: your word is on the record and will count when the guard runs. "+
			"Look after it: kubectl get pods,leases -n holdfast-system, and %s status %s -n %s", err, o.timeout, o.program, id.Name(), id.Namespace)}
	case err != nil:
		return failed(err)
	case evidence != nil:
		fmt.Fprintf(out, "Released: %s, from %s: %s.\n", evidence.Kind, evidence.Source, evidence.Detail)
	default:
		fmt.Fprintln(out, "Released: the record speaks of another incarnation now.")
	}
	d, err := c.Detail(ctx, id)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintln(out, attest.Came(d))
	return nil
}
