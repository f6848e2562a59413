#!/bin/bash
# One run over 2 machines with 4 GPUs each: sbatch slurm.sh
#SBATCH --job-name=rdrop
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
# Five minutes before the time is up: every rank ends after the same update, with a checkpoint, and the job is queued again.
#SBATCH --signal=TERM@300
#SBATCH --requeue

# srun says rank and number of processes (SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID); these two say where they meet.
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))
export MASTER_ADDR MASTER_PORT

run=$SCRATCH/runs/iwslt14
if [ -e "$run/checkpoints/last/state.json" ]; then
  srun npx rdrop train --resume --run "$run"
else
  srun npx rdrop train --preset iwslt14-rdrop-uni --data "$SCRATCH/data/iwslt14" --run "$run" --device cuda
fi
# 143: ended by the signal above, with a checkpoint. Any other failure is for you to see.
[ $? -ne 143 ] || scontrol requeue "$SLURM_JOB_ID"
