use super::*;

/// A caller's struct of another version: this one's fields and then some bytes.
#[repr(C)]
struct Larger {
    known: pvf_parameters_t,
    beyond: [u64; 3],
}

fn resolved(parameters: &pvf_parameters_t) -> Result<Parameters, pvf_error_t> {
    // SAFETY: its size is right, its schedule NULL or a literal.
    unsafe { Parameters::from_caller(parameters) }
}

fn message(parameters: &pvf_parameters_t) -> String {
    let error = resolved(parameters).err().expect("is refused");
    assert_eq!(error.status(), pvf_status_t::PVF_STATUS_PARAMETERS);
    error.message().to_string_lossy().into_owned()
}

#[test]
fn defaults_are_those_of_the_network() {
    // SAFETY: NULL is allowed.
    let parameters = unsafe { Parameters::from_caller(std::ptr::null()) }.expect("is fine");
    let live = HostParameters::of_network(Network::Polkadot);
    assert_eq!(parameters.host.execution, live.execution);
    assert_eq!(parameters.host.execution.max_memory_pages, 8_224);
    assert!(!parameters.host.ecc_rfc163);
    let expected = Profile::Polkadot.compile_options();
    assert_eq!(parameters.compile.metering, expected.metering);
    assert_eq!(parameters.compile.features, expected.features);
}

#[test]
fn a_larger_struct_is_taken_while_its_new_fields_are_zero() {
    let mut larger = Larger {
        known: pvf_parameters_t::polkadot(),
        beyond: [u64::MAX; 3],
    };
    // SAFETY: the sizes are right.
    unsafe {
        let status = pvf_parameters_init(&raw mut larger.known, size_of::<Larger>());
        assert_eq!(status, pvf_status_t::PVF_STATUS_OK);
        assert_eq!(larger.beyond, [0; 3]);
        assert_eq!(larger.known.struct_size, size_of::<Larger>());
        larger.known.max_memory_pages = 7;
        let taken = Parameters::from_caller(&raw const larger.known).expect("is fine");
        assert_eq!(taken.host.execution.max_memory_pages, 7);
        larger.beyond[2] = 1;
        let refused = Parameters::from_caller(&raw const larger.known).err();
        let refused = refused.expect("is refused");
        assert!(refused.message().to_string_lossy().contains("too old"));
    }
}

/// Bytes of a caller's, of which the struct takes the first.
#[repr(C, align(16))]
struct Place([u8; 2 * size_of::<pvf_parameters_t>()]);

#[test]
fn sets_change_what_they_decide_and_nothing_beyond_the_struct() {
    for struct_size in [LEAST_BYTES, size_of::<pvf_parameters_t>()] {
        let mut place = Place([0xaa; _]);
        let parameters: *mut pvf_parameters_t = (&raw mut place).cast();
        // SAFETY: the place is larger than the sizes, and aligned.
        unsafe {
            pvf_parameters_init(parameters, struct_size);
            (&raw mut (*parameters).threads).write(7);
            let params = Network::Protocol.executor_params();
            assert!(pvf_parameters_t::change(parameters, &params).is_ok());
            let protocol = Parameters::from_caller(parameters).expect("is fine");
            assert_eq!(protocol.host.execution, ExecutionParameters::POLKADOT);
            assert_eq!(protocol.compile.threads.get(), 7);
            assert_eq!((&raw const (*parameters).struct_size).read(), struct_size);
        }
        assert!(place.0[struct_size..].iter().all(|&byte| byte == 0xaa));
    }
}

#[test]
fn impossible_sizes_are_refused() {
    for struct_size in [0, 8, LEAST_BYTES - 1, MOST_BYTES + 1, usize::MAX] {
        let parameters = pvf_parameters_t {
            struct_size,
            ..pvf_parameters_t::polkadot()
        };
        assert!(message(&parameters).contains("struct_size"));
    }
}

#[test]
fn contradictions_are_refused() {
    let with = |change: fn(&mut pvf_parameters_t)| {
        let mut parameters = pvf_parameters_t::polkadot();
        change(&mut parameters);
        message(&parameters)
    };
    assert!(with(|it| it.gas_limit = 5).contains("PVF_METER_LIMIT"));
    assert!(with(|it| it.gas_meter = 3).contains("gas_meter is 3"));
    assert!(with(|it| it.logical_stack_meter = u32::MAX).contains("logical_stack_meter"));
    assert!(with(|it| it.ecc_rfc163 = 2).contains("ecc_rfc163"));
    assert!(with(|it| it.threads = 513).contains("513 threads"));
    assert!(with(|it| it.gas_schedule = c"default = 2".as_ptr()).contains("PVF_METER_OFF"));
    let unparsable = with(|it| {
        it.gas_meter = 1;
        it.gas_schedule = c"default = two".as_ptr();
    });
    assert!(unparsable.contains("gas schedule"), "{unparsable}");
}

#[test]
fn meters_have_to_be_those_of_the_artifact() {
    let parameters = resolved(&pvf_parameters_t {
        gas_meter: 2,
        gas_limit: 9,
        gas_schedule: c"default = 2".as_ptr(),
        ..pvf_parameters_t::polkadot()
    })
    .unwrap_or_else(|error| panic!("{:?}", error.message()));
    let costs = parameters.compile.metering.gas.clone().expect("counts gas");
    let same = Meters {
        logical_stack: true,
        gas: true,
        schedule: schedule_hash(&costs),
    };
    assert!(parameters.check_meters(&same).is_ok());
    let refused = |meters| {
        let error = parameters.check_meters(&meters).expect_err("is refused");
        error.message().to_string_lossy().into_owned()
    };
    let logical_stack = false;
    assert!(
        refused(Meters {
            logical_stack,
            ..same
        })
        .contains("without the logical")
    );
    assert!(refused(Meters { gas: false, ..same }).contains("without the gas"));
    assert!(
        refused(Meters {
            schedule: 1,
            ..same
        })
        .contains("another gas schedule")
    );
}
