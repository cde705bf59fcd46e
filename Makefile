# The two commands: `make demo` and `make test`. Everything is built by Meson below build/.
#
#	make			build (build/dev)
#	make demo [FILE=...]	the whole scenario on a virtual device
#	make test [SUITE=...]	all suites, or one: unit proto integ race vm
#	make bench [QUICK=1] [ROW=stream]	every figure beside its yardstick; table, build/bench/results.json, plots
#	make mutants		break one line for each row of the scenario; its test must fail
#	make model		every order of steps of the models in src/wire
