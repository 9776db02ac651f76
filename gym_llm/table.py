"""THE table of environments: data only, one entry an id, grouped by domain, sorted by id."""

from gym_llm.registration import EnvInfo

ENVIRONMENTS: tuple[EnvInfo, ...] = (
    # --- knowledge
    EnvInfo(
        id="gym_llm/MCQA-v0",
        env="gym_llm.envs.knowledge.mcqa:MCQAEnv",
        row="mcqa",
        domain="knowledge",
        kind="rule",
        summary="Multiple-choice questions, one option letter",
        data=("nvidia/Nemotron-RL-knowledge-mcqa",),
        licence="Apache-2.0",
    ),
)
