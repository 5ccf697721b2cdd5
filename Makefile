# make demo      install into .venv and watch a tiny model learn (a CPU and some minutes)
# make dakota    the same with a word of Dakota: a model from random weights learns to spell numbers, then to spell them well
# make distill   a tiny model learns to do without a context what it did with it, beside plain GRPO
# make test      install into .venv and run the default tests
# make test-apart  the long tests: whole runs, faults, and what lives in environments of its own (lighteval, lm-eval, vLLM, SkyPilot, verifiers packages)
# make evaluate MODEL=outputs/demo [TASK=aquarat]   measure a model with lighteval, beside ratchet evaluate
# make quality   ruff, as CI runs it        make style   let ruff mend what it can
# make tiny      train the embedded tiny model again from nothing

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
LAUNCH := $(BIN)/accelerate launch --quiet --num_cpu_threads_per_process 2 --config_file accelerate_configs/cpu.yaml

.PHONY: demo dakota distill test test-apart evaluate quality style tiny schema clean

demo: $(VENV)/installed
	@echo "Training the embedded tiny model with GRPO (recipes/demo.yaml); it takes some minutes on two cores."
	$(LAUNCH) scripts/grpo.py recipes/demo.yaml --resume never

dakota: $(VENV)/installed
	@echo "Training a tiny model from random weights with SFT (recipes/dakota/sft_numbers_cpu.yaml), then with GRPO (recipes/dakota/grpo_numbers_cpu.yaml)."
	$(LAUNCH) scripts/sft.py recipes/dakota/sft_numbers_cpu.yaml --resume never
	$(LAUNCH) scripts/grpo.py recipes/dakota/grpo_numbers_cpu.yaml --resume never

distill: $(VENV)/installed
	@echo "Teaching the tiny model to read a context (recipes/distill/warmup_cpu.yaml), then to do without (rule_cpu.yaml), and GRPO beside it (grpo_cpu.yaml)."
	$(LAUNCH) scripts/sft.py recipes/distill/warmup_cpu.yaml --resume never
	$(LAUNCH) scripts/distill.py recipes/distill/rule_cpu.yaml --resume never
	$(LAUNCH) scripts/grpo.py recipes/distill/grpo_cpu.yaml --resume never

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-apart: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m "apart and not slow" -n 2 --dist loadfile --no-loadscope-reorder

evaluate: $(VENV)/installed
	@test -n "$(MODEL)" || { echo "name a model, as in: make evaluate MODEL=outputs/demo"; exit 2; }
	$(BIN)/ratchet lighteval "$(MODEL)" $(if $(TASK),--task "$(TASK)")

quality: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

style: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

tiny: $(VENV)/installed
	$(LAUNCH) scripts/sft.py recipes/tiny/sft_1_lookup.yaml --resume never
	$(LAUNCH) scripts/sft.py recipes/tiny/sft_2_solve.yaml --resume never
	$(LAUNCH) scripts/sft.py recipes/tiny/sft_3_both.yaml --resume never
	$(LAUNCH) scripts/sft.py recipes/tiny/sft_4_guess.yaml --resume never
	$(BIN)/python -m ratchet.evaluation.install_tiny outputs/tiny-sft_4_guess

schema: $(VENV)/installed
	$(BIN)/python -m ratchet.recipe.make_schema

# On Linux PyPI's torch brings gigabytes of CUDA. Without a driver for a GPU the CPU build of PyTorch's own index is taken; where that cannot be
# had, PyPI's. A torch that is in .venv already stays.
TORCH := $(shell sed -n 's/^ *\(torch==.*\)/\1/p' setup.cfg)
GPU := $(wildcard /proc/driver/nvidia/version /dev/kfd /dev/dxg)
CPU_TORCH := $(if $(filter Linux,$(shell uname -s)),$(if $(GPU),,--extra-index-url https://download.pytorch.org/whl/cpu))
INSTALL_CPU_TORCH = $(if $(CPU_TORCH),$(BIN)/python -m pip show --quiet torch 2>/dev/null || \
	$(BIN)/python -m pip install --quiet --timeout 10 --retries 1 $(CPU_TORCH) "$(TORCH)" || true,true)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found (make PYTHON=/path/to/python)"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, $(PYTHON) is older (make PYTHON=/path/to/python)"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

define install
	@echo "Installing into $(VENV); the first time this downloads PyTorch$(if $(CPU_TORCH), (its CPU build: there is no driver of a GPU here))."
	@$(INSTALL_CPU_TORCH)
	$(BIN)/python -m pip install --quiet -e "$(1)"
endef

$(VENV)/installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(call install,.)
	@touch $@

$(VENV)/installed-dev: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(call install,.[dev])
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) outputs
