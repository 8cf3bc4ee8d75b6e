"""What is known of the single-label 2-D sets of MedMNIST: classes, what decides them, licences.

Classes and licences as in version 3.0.2 of the `medmnist` package (its `INFO`).
"""

from dataclasses import dataclass

from tools.datasets.types import Modality


@dataclass(frozen=True)
class About:
    """One set; the rest of its card is the same for all."""

    title: str
    modality: Modality
    description: str
    classes: tuple[str, ...]
    origin: str
    ordinal: bool = False
    metric: str = "validation_macro_f1"
    licence: str = "CC BY 4.0"
    warnings: tuple[str, ...] = ()


_NO_PATIENTS = "no patient ids are published: images of one patient may be in different splits"
_ORGANS = (
    "bladder",
    "left femur",
    "right femur",
    "heart",
    "left kidney",
    "right kidney",
    "liver",
    "left lung",
    "right lung",
    "pancreas",
    "spleen",
)


def _organs(letter: str, plane: str) -> About:
    return About(
        title=f"Organ{letter}MNIST",
        modality="ct",
        description=(
            f"Grey crops of {plane} slices of abdominal CT scans, each cut to the box of one organ and shown in an "
            "abdominal window. The label is the organ in the box, one of eleven. Its shape, its inner structure, its "
            "grey level and what lies around it decide; the window makes grey levels mean tissue (air black, bone "
            "white), so inversion, solarising and strong gamma turn one tissue into another. Left and right femur, "
            "kidney and lung are classes of their own: mirroring left and right exchanges them and must not be used "
            "with the label kept. Small rotations, shifts, scaling, mild contrast and noise imitate patients and "
            "scanners."
        ),
        classes=_ORGANS,
        origin="P. Bilic et al.: The Liver Tumor Segmentation Benchmark (LiTS), with organ boxes by X. Xu et al.",
        warnings=("left and right organs are different classes: a horizontal flip changes the label",),
    )


CARDS: dict[str, About] = {
    "pathmnist": About(
        title="PathMNIST",
        modality="microscopy",
        description=(
            "Patches of microscope slides of colorectal tissue, stained with haematoxylin and eosin (violet nuclei, "
            "pink surroundings). The label is the kind of tissue, one of nine. Texture decides it: how dense, round "
            "and ordered the nuclei are, fibres, glands, holes of fat, smears of mucus; and the stain's colour helps. "
            "Blur, posterising, strong noise and large erasing destroy the texture; hue shifts beyond the stain's own "
            "range, inversion and solarising make what no slide shows. Tissue has no up: flips and any rotation keep "
            "the label. Moderate changes of stain colour, brightness and contrast imitate other laboratories, and the "
            "test images are from another one."
        ),
        classes=(
            "adipose",
            "background",
            "debris",
            "lymphocytes",
            "mucus",
            "smooth muscle",
            "normal colon mucosa",
            "cancer-associated stroma",
            "colorectal adenocarcinoma epithelium",
        ),
        origin="J. N. Kather et al.: NCT-CRC-HE-100K and CRC-VAL-HE-7K. PLOS Medicine 16 (2019)",
        warnings=("patches of one slide may be in train and validation; test is from another centre",),
    ),
    "dermamnist": About(
        title="DermaMNIST",
        modality="dermoscopy",
        description=(
            "Dermoscopic close-ups of a single pigmented skin lesion. The label is the diagnosis, one of seven; about "
            "two thirds are moles (melanocytic nevi). Colours (brown, black, red, blue-grey, white), asymmetry, the "
            "border and the inner pattern decide it, so hue shifts, greyscale, inversion, solarising and posterising "
            "can turn one class into the look of another, and strong elastic warps or erasing change the outline. "
            "Lesions have no preferred orientation: flips and any rotation keep the label. Mild brightness, contrast, "
            "white balance, scale and blur imitate other dermatoscopes."
        ),
        classes=(
            "actinic keratoses and intraepithelial carcinoma",
            "basal cell carcinoma",
            "benign keratosis-like lesions",
            "dermatofibroma",
            "melanoma",
            "melanocytic nevi",
            "vascular lesions",
        ),
        origin="P. Tschandl et al.: The HAM10000 dataset. Scientific Data 5, 180161 (2018)",
        licence="CC BY-NC 4.0",
        warnings=(
            "HAM10000 has several photographs of many lesions, and the splits do not keep them together: scores are "
            "too good",
        ),
    ),
    "octmnist": About(
        title="OCTMNIST",
        modality="unknown",
        description=(
            "Optical coherence tomography (OCT) of the retina: grey cross-sections in which the retina is a layered "
            "band over dark ground, with speckle. The label is choroidal neovascularization, diabetic macular edema, "
            "drusen or normal. Bumps under the lowest layer (drusen), dark pockets of fluid within the layers (edema) "
            "and lifted, broken layers (neovascularization) decide it, so strong blur, erasing, elastic warps and "
            "posterising can remove or fake them; inversion turns fluid into tissue. Depth runs downwards: a vertical "
            "flip or a quarter turn shows what no scan does. Mirroring left and right, small shifts and rotations, "
            "speckle, brightness and contrast are natural."
        ),
        classes=("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
        origin="D. S. Kermany et al.: Identifying Medical Diagnoses and Treatable Diseases. Cell 172 (2018)",
        warnings=(
            "train and validation are very unequal, test has 250 of each class",
            _NO_PATIENTS,
        ),
    ),
    "pneumoniamnist": About(
        title="PneumoniaMNIST",
        modality="xray",
        description=(
            "Frontal X-rays of children's chests, cropped to the centre, grey. The label is pneumonia or normal. "
            "Whitish, cloudy or patchy areas within the dark lungs decide it: inversion and solarising turn them over, "
            "strong contrast, gamma and equalising make or remove cloudiness, erasing and tight crops can hide it, and "
            "strong blur makes a clear lung look cloudy. The heart lies to one side, so a mirrored chest is not "
            "natural, although the label stays. Small rotations, shifts and scaling imitate how a child lies; mild "
            "brightness, contrast and noise imitate exposure."
        ),
        classes=("normal", "pneumonia"),
        origin="D. S. Kermany et al.: Identifying Medical Diagnoses and Treatable Diseases. Cell 172 (2018)",
        warnings=(
            "about three quarters of train and validation are pneumonia, under two thirds of test",
            "the published train and validation splits share exact copies",
            _NO_PATIENTS,
        ),
    ),
    "retinamnist": About(
        title="RetinaMNIST",
        modality="fundus",
        description=(
            "Colour photographs of the retina (fundus), cropped to the centre. The label is the grade of diabetic "
            "retinopathy, 0 to 4, in order of severity. Small red dots and blots, hard yellow exudates and new vessels "
            "decide it: at this size few of them are left, and blur, noise, posterising and erasing remove the rest; "
            "hue shifts and inversion turn them into something else. Flips and rotations keep the grade. Brightness, "
            "contrast, gamma and mild colour changes imitate other cameras."
        ),
        classes=("no DR", "mild", "moderate", "severe", "proliferative DR"),
        origin="R. Liu et al.: DeepDRiD. Patterns 3 (2022)",
        ordinal=True,
        metric="validation_accuracy",
        warnings=(
            "grades are ordered and unbalanced: read quadratic weighted kappa beside accuracy",
            "validation has 120 images only",
        ),
    ),
    "breastmnist": About(
        title="BreastMNIST",
        modality="ultrasound",
        description=(
            "Ultrasound of the breast, grey, with speckle; mostly a dark mass within layered tissue, or none. The "
            "label is malignant, or normal and benign together. An irregular, spiky or blurred border, a shape taller "
            "than wide and a dark shadow below speak for malignant, a smooth oval for benign. Strong elastic warps, "
            "shears, erasing and blur change the border; inversion and solarising turn a mass into its opposite. The "
            "probe is above: a vertical flip or a quarter turn puts the shadow where it cannot be. Mirroring left and "
            "right, small shifts, mild brightness, contrast and speckle are natural."
        ),
        classes=("malignant", "normal or benign"),
        origin="W. Al-Dhabyani et al.: Dataset of breast ultrasound images. Data in Brief 28 (2020)",
        warnings=("validation has 78 images, test 156: a few images decide a score", _NO_PATIENTS),
    ),
    "bloodmnist": About(
        title="BloodMNIST",
        modality="microscopy",
        description=(
            "Microscope images of single blood cells in the centre, stained (violet nuclei, pink to blue cytoplasm, "
            "pale red cells around). The label is the kind of cell, one of eight. The form of the nucleus (round, "
            "kidney, lobes), the size of the cell and the colour and grain of the cytoplasm (red grains in "
            "eosinophils, dark blue ones in basophils) decide it: hue shifts, greyscale, solarising and posterising "
            "destroy it, and strong scaling hides size. Cells have no orientation: flips and any rotation keep the "
            "label. Mild brightness, contrast, stain and focus changes are natural."
        ),
        classes=(
            "basophil",
            "eosinophil",
            "erythroblast",
            "immature granulocyte",
            "lymphocyte",
            "monocyte",
            "neutrophil",
            "platelet",
        ),
        origin="A. Acevedo et al.: A dataset of microscopic peripheral blood cell images. Data in Brief 30 (2020)",
        warnings=(_NO_PATIENTS,),
    ),
    "tissuemnist": About(
        title="TissueMNIST",
        modality="microscopy",
        description=(
            "Fluorescence microscopy of single human kidney cells, grey: the brightest value through seven slices. "
            "The label is the type of cell, one of eight. Size, outline and the pattern of brightness decide it, and "
            "absolute brightness means something: inversion, equalising, solarising and strong gamma or contrast "
            "change it, strong blur and erasing remove the pattern. Cells have no orientation: flips and any rotation "
            "keep the label. Small shifts, mild noise and focus changes are natural."
        ),
        classes=(
            "collecting duct or connecting tubule",
            "distal convoluted tubule",
            "glomerular endothelial cells",
            "interstitial endothelial cells",
            "leukocytes",
            "podocytes",
            "proximal tubule segments",
            "thick ascending limb",
        ),
        origin="BBBC051 of the Broad Bioimage Benchmark Collection (V. Ljosa et al., Nature Methods 9, 2012)",
        warnings=("all cells are of three specimens, which are in every split",),
    ),
    "organamnist": _organs("A", "axial"),
    "organcmnist": _organs("C", "coronal"),
    "organsmnist": _organs("S", "sagittal"),
}
