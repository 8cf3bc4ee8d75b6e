#!/usr/bin/env bash
# Builds the wheel and the sdist, installs the wheel in an empty environment under each Python, and uses it there:
# help, doctor, and a study of a minute on the embedded data set. What the source tree has and the wheel lacks fails here.
# release_check.sh UV [PYTHON...]: UV is the command; PYTHON a version or a path, 3.11 and 3.13 without any.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v "$1" || realpath "$1")
shift
[ $# -gt 0 ] || set -- 3.11 3.13
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$uv" build --quiet --out-dir "$work/dist" .
wheel=$(echo "$work"/dist/*.whl)
contents=$(python3 -m zipfile -l "$wheel")
for file in prompts/first.j2 agent/settings/presets/demo.yaml agent/service/page/service.js \
    tools/aga/segmenters/u2netp/u2netp.onnx; do
    grep -q "$file" <<<"$contents" || { echo "the wheel lacks $file" >&2; exit 1; }
done
for python in "$@"; do
    echo "== Python $python"
    place=$(mktemp -d "$work/XXXX")
    environment=$place/environment
    "$uv" venv --quiet --python "$python" "$environment"
    "$uv" pip install --quiet --python "$environment" --overrides packaging/overrides.txt "$wheel"
    mkdir "$place/work"
    (
        cd "$place/work" # nothing of the source tree is found from here
        agent=$environment/bin/agent
        "$agent" --help >/dev/null
        "$agent" --version
        "$agent" doctor
        "$agent" run --quiet --dataset demo --model shufflenet_v2_x0_5 --image-size 16 --epochs 2 --iterations 1 \
            --study release --report.explain off
        test -s runs/studies/release/report.html
        "$agent" show release >/dev/null
    )
done
echo "The wheel and the sdist are good: $(cd "$work/dist" && echo *)"
