#!/bin/sh
# Runs the attention layers of models over requests of traces and holds every output against the reference.
# usage: verify.sh FLASHJIT CONFIG_FOLDER TRACE_FOLDER [WORD...]
# Only runs whose line has all the words are made. JOBS of them run at once (4); ARGUMENTS are handed to each.
[ $# -ge 3 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
flashjit=$1 configs=$2 traces=$3
shift 3

models='DeepSeek-V3 gpt-oss-20b gpt-oss-120b gemma-4-26B-A4B Llama-4-Scout-17B-16E-Instruct Qwen3.5-27B
  Qwen3-VL-8B-Instruct NVIDIA-Nemotron-3-Nano-30B-A3B-BF16 MiniMax-M2.5 Meta-Llama-3.1-8B'
logs=$(mktemp -d) || exit 1
trap 'rm -rf "$logs"' EXIT

# Expanded keys and values of 128 heads are 80 KiB a token.
extra() {
  [ "$1" = DeepSeek-V3 ] && [ "$2" = 1 ] && echo "--max-requests 8"
}

# The longest runs first, so that short ones fill the end: the larger trace, and models of several kinds of layers.
list() {
  ls -S "$traces" | while read -r trace; do
    for model in $models; do
      for tp in 1 8; do
        echo "$model $traces/$trace $tp $(extra "$model" "$tp")"
      done
    done
  done
}

only() {
  if [ $# -eq 0 ]; then
    cat
  else
    word=$1
    shift
    grep -e "$word" | only "$@"
  fi
}

# No kind of layer may be left out.
cat >"$logs/one.sh" <<'END'
model=$1 trace=$2 tp=$3
shift 3
name="$model, $(basename "$trace"), tp $tp"
log="$logs/$model-$(basename "$trace")-$tp"
begin=$(date +%s)
"$flashjit" run --verify --model "$configs/$model.json" --trace "$trace" --requests 32 --tp "$tp" --repeat 1 \
  $ARGUMENTS "$@" >"$log" 2>&1
code=$?
left_out=$(grep ' skipped: ' "$log")
if [ $code -eq 0 ] && [ -z "$left_out" ]; then
  echo "passed: $name ($(($(date +%s) - begin)) s)" | tee -a "$logs/results"
else
  echo "failed: $name (exit $code)" | tee -a "$logs/results"
  tail -12 "$log" | cut -c1-400
fi
END

export flashjit configs logs ARGUMENTS
list | sed 's/ *$//' | only "$@" | xargs -P "${JOBS:-4}" -L 1 sh "$logs/one.sh"
passed=$(grep -c '^passed' "$logs/results")
failed=$(grep -c '^failed' "$logs/results")
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
