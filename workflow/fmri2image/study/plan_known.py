"""What a plan knows about datasets before any of their files is there: numbers of stimuli and voxels."""

FLOAT = 4e-9  # GB of one float32
# Distinct stimuli, counted in the events files of the public datasets (ds001761: of all four subjects together), and as the
# papers have them for the others (Miyawaki et al. 2008, figure images as nilearn has them; Seeliger et al. 2018).
STIMULI = {
    "ds000255": {"random": 880, "shapes": 5, "letters": 5, "lettersthin": 5, "letterslong": 5},
    "ds001246": {"train": 1200, "test": 50, "imagery": 50},
    "ds001506": {"train": 1200, "test": 50, "shapes": 40, "letters": 10, "imagery": 25, "fixation": 1},
    "ds001761": {"train": 31772, "test": 80, "imagery": 20},
    "miyawaki2008": {"figures": 40},
    "vim1": {"train": 1820, "test": 50},
    "brains": {"train": 290, "test": 70},
}
COLLECTIONS = {"deeprecon": "ds001506", "god": "ds001246"}  # of the registry, by the beginning of an entry's name
# Voxels of the largest area, visual cortex: of the first subject, or of the demo; others are taken for ds001506's 2 mm.
AREA_VOXELS = {"ds001506": 11_700, "ds001246": 4_466, "miyawaki2008": 1_000, "simulated": 1_200}
UNKNOWN_SET = 100  # stimuli of a set that nobody has listed yet
SIMULATED_VOXEL = 1.4e-9  # GB per voxel of a simulated BOLD file (the demo's)
