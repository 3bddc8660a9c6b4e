"""Which process this is, from the variables that launchers set."""

import pytest

from tokensphere.errors import InputError
from tokensphere.parallel import Placement, from_environment
from tokensphere.parallel.placement import first_host

SLURM = {
    "SLURM_PROCID": "3",
    "SLURM_NTASKS": "8",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "node[03-06]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x4)",
    "SLURM_JOB_ID": "77",
    "SLURM_STEP_ID": "0",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_MCA_ess_base_jobid": "297795585",
    "OMPI_MCA_orte_hnp_uri": "297795584.0;tcp://192.0.2.2,10.0.0.7:51027",
}


def test_slurm():
    found = from_environment(environment=SLURM)
    assert (found.rank, found.size, found.local_rank, found.local_size) == (3, 8, 1, 2)
    host, port = found.coordinator.split(":")
    assert host == "node03"
    assert 61440 <= int(port) < 65536
    # all processes of a job step find the same place, another step another one
    assert from_environment(environment=SLURM | {"SLURM_PROCID": "0"}).coordinator == found.coordinator
    assert from_environment(environment=SLURM | {"SLURM_STEP_ID": "1"}).coordinator != found.coordinator


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("a1", "a1"), ("a1,b2", "a1"), ("node[03-05,9],gpu1", "node03"), ("n[7,9]-ib", "n7-ib"), ("x[12]", "x12")],
)
def test_first_host(nodes, first):
    assert first_host(nodes) == first


def test_open_mpi():
    found = from_environment(environment=OPEN_MPI)
    assert (found.rank, found.size, found.local_rank, found.local_size) == (1, 2, 1, 2)
    assert found.coordinator.startswith("127.0.0.1:")
    spread = from_environment(environment=OPEN_MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "1"})
    assert spread.coordinator.startswith("192.0.2.2:")


def test_pmi():
    env = {"PMI_RANK": "0", "PMI_SIZE": "4"}
    assert from_environment("node1:7000", env) == Placement(0, 4, "node1:7000")
    with pytest.raises(InputError, match="give --coordinator"):
        from_environment(environment=env)


def test_nothing_set():
    with pytest.raises(InputError, match=r"needs srun or mpirun.*--processes N"):
        from_environment(environment={})


def test_a_variable_that_is_no_number():
    with pytest.raises(InputError, match="SLURM_NTASKS must be a whole number, got 'many'"):
        from_environment(environment=SLURM | {"SLURM_NTASKS": "many"})


@pytest.mark.parametrize("place", ["node1", "node1:", ":7000", "node1:http", "node1:0", "node1:70000"])
def test_bad_coordinator(place):
    with pytest.raises(InputError, match="must be host:port"):
        Placement(0, 2, place)


def test_bad_rank():
    with pytest.raises(InputError, match=r"rank must lie in 0\.\.1"):
        Placement(2, 2, "node1:7000")
