#!/bin/sh
# One run over 2 machines with 8 GPUs each: the same line on each of them, MASTER being the first one's name.
# Without -- before the program, torchrun takes options of the program for its own.
# --max-restarts starts all ranks again when one is lost; they continue from the last checkpoint where there is one.
run=${RUN:-runs/iwslt14}
begin="train --preset iwslt14-rdrop-uni --data data/iwslt14 --run $run --device cuda"
exec torchrun --no-python --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint "$MASTER:29400" --max-restarts 3 \
  -- sh -c "if [ -e $run/checkpoints/last/state.json ]; then exec npx rdrop train --resume --run $run; else exec npx rdrop $begin; fi"
