// Report reads what go test -bench printed, makes a table of it and holds it against
// the gates of gates.yaml.
//
//	go run ./bench/report -environment        what to put in front of the output, for the report to tell of
//	go run ./bench/report OUTPUT...           print the table; exit 1 if a gate is missed
//	go run ./bench/report -write bench/results/NAME OUTPUT...
//	                                          keep it as NAME.md and NAME.json too
//
// It exits with 2 where a file or a flag is wrong.
package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
)

//go:embed gates.yaml
var gatesFile []byte

// errMissed: the report is whole, and a gate is not reached.
var errMissed = errors.New("a gate is missed")

func main() {
	err := run(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case errors.Is(err, errMissed):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(2)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	environment := flags.Bool("environment", false, "print what the machine is, as lines to put in front of the benchmarks' output")
	write := flags.String("write", "", "keep the report in `NAME`.md and NAME.json too")
	partial := flags.Bool("partial", false, "pass over gates of benchmarks that did not run")
	exact := flags.Bool("exact", false, "hold only exact figures against their gates: for machines on which nothing can be timed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *environment {
		return printEnvironment(out)
	}
	if flags.NArg() == 0 {
		return errors.New("want a file with the output of go test -bench")
	}
	gates, err := readGates(gatesFile)
	if err != nil {
		return err
	}
	if *exact {
		gates = slices.DeleteFunc(gates, func(g Gate) bool { return !g.Exact })
	}
	measured, err := readOutput(flags.Args()...)
	if err != nil {
		return err
	}
	r := judge(gates, measured, *partial)
	if err := r.markdown(out); err != nil {
		return err
	}
	if *write != "" {
		if err := keep(r, *write); err != nil {
			return err
		}
	}
	if r.Missed > 0 {
		return fmt.Errorf("%w: %d of %d", errMissed, r.Missed, len(r.Gates))
	}
	return nil
}

// keep writes both forms.
func keep(r *Report, name string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".json", append(data, '\n'), 0o644); err != nil {
		return err
	}
	f, err := os.Create(name + ".md")
	if err != nil {
		return err
	}
	return errors.Join(r.markdown(f), f.Close())
}
