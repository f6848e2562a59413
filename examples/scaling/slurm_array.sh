#!/bin/bash
# Four workers of a sweep's queue, each with a GPU: sbatch slurm_array.sh, before or after `rdrop sweep --queue … --name …`.
#SBATCH --job-name=rdrop-workers
#SBATCH --array=0-3
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
# Five minutes before the time is up the trial writes a checkpoint and goes back to the queue.
#SBATCH --signal=TERM@300

export RDROP_QUEUE_PASSWORD_FILE=$HOME/.rdrop-queue-password
# The runs are shared, so that another worker continues from the checkpoint.
srun npx rdrop worker --queue "rediss://${QUEUE_HOST:?where Redis is}:6379/0" --queue-ca "$HOME/redis-ca.pem" \
  --slots gpu:0 --data-root "$SCRATCH/data" --runs "$SCRATCH/runs" --max-idle-minutes 5
